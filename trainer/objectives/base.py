"""What an objective provides to the training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from trainer.errors import UserError
from trainer.functional import geco
from trainer.networks.network import Network
from trainer.objectives.gradients import GradAndValue
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import TrialSpec


class Constants(NamedTuple):
    """A trial's settings as tensors, so that trials with different ones can be stacked."""

    tau: Tensor
    k: Tensor
    alpha: Tensor
    learning_rate: Tensor
    raw_multiplier_min: Tensor
    """The raw λ at which λ' = lambda_min; a scalar."""
    raw_multiplier_max: Tensor
    """The raw λ at which λ' = lambda_max; a scalar."""
    latent_mask: Tensor
    """False for dimensions that only pad the trial to the width of its pack, boolean [width]."""

    @classmethod
    def of(cls, spec: TrialSpec, device: torch.device, dtype: torch.dtype) -> Constants:
        """Return the settings of a spec as tensors."""

        def scalar(value: float) -> Tensor:
            return torch.tensor(value, device=device, dtype=dtype)

        return cls(
            tau=scalar(spec.tau),
            k=scalar(spec.k),
            alpha=scalar(spec.alpha),
            learning_rate=scalar(spec.learning_rate),
            raw_multiplier_min=scalar(geco.raw_multiplier(spec.lambda_min)),
            raw_multiplier_max=scalar(geco.raw_multiplier(spec.lambda_max)),
            latent_mask=torch.ones(spec.width, dtype=torch.bool, device=device),
        )


class Step(Protocol):
    """One training step: pure, without a branch on a tensor's value or a look at one."""

    def __call__(
        self,
        constants: Constants,
        state: TrainState,
        images: Tensor,
        noise: Noise,
        grad_and_value: GradAndValue,
    ) -> tuple[TrainState, BatchMeasures]:
        """Train on one batch of images, [batch, channels, height, width] in [0, 1]."""


@dataclass(frozen=True)
class Objective:
    """A row of the registry."""

    name: str
    summary: str
    step: Callable[[Network], Step]
    """Returns the step for a network."""
    least_error: bool = False
    """Whether τ = 0 is allowed, and means: the least error that can be reached."""

    def check(self, spec: TrialSpec) -> None:
        """Check that this objective can train the spec.

        Raises:
            UserError: if τ is 0, which this objective would never meet.
        """
        if spec.tau == 0 and not self.least_error:
            raise UserError(
                f"tau must be above 0 for objective {self.name!r}, which closes gates only once "
                "the error is below it"
            )
