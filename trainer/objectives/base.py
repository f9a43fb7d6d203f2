"""What the training loop asks of an objective."""

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
    exists: Tensor
    """Which latent dimensions the trial has, boolean [width]."""

    @classmethod
    def of(cls, spec: TrialSpec, device: torch.device, dtype: torch.dtype) -> Constants:
        """Read the settings off a spec."""

        def scalar(value: float) -> Tensor:
            return torch.tensor(value, device=device, dtype=dtype)

        return cls(
            tau=scalar(spec.tau),
            k=scalar(spec.k),
            alpha=scalar(spec.alpha),
            learning_rate=scalar(spec.learning_rate),
            raw_multiplier_min=scalar(geco.raw_multiplier(spec.lambda_min)),
            raw_multiplier_max=scalar(geco.raw_multiplier(spec.lambda_max)),
            exists=torch.ones(spec.width, dtype=torch.bool, device=device),
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
    """Bind the step to a network."""
    least_error: bool = False
    """Whether τ = 0 can be asked for, and means: as little error as can be."""

    def check(self, spec: TrialSpec) -> None:
        """Refuse what this objective cannot train.

        Raises:
            UserError: if τ is 0 and would never be met.
        """
        if spec.tau == 0 and not self.least_error:
            raise UserError(
                f"tau must be above 0 for objective {self.name!r}, which closes gates only once "
                "the error is below it"
            )
