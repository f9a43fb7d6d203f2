"""What one trial is asked and what it answers: plain values, no tensors."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from trainer.errors import UserError

MOST_UNITS = 2**16
"""A layer, width or batch above this is taken for a mistake."""


PACKED = ("dataset", "dataset_sha256", "architecture", "layers", "objective", "batch_size")
"""What trials must have in common to be trained together; in all else they may differ."""


class Status(enum.StrEnum):
    """How a trial ended. Only feasible trials are points of the front."""

    FEASIBLE = "feasible"
    """τ is held, or was 0 and asked for nothing, and the gates have come to rest."""
    UNSETTLED = "unsettled"
    """τ is held, but a gate is undecided or moved in the last tenth of the steps."""
    INFEASIBLE = "infeasible"
    """τ was never reached, or not held to the end."""
    DIVERGED = "diverged"
    """A loss, gradient or parameter became infinite or not a number."""
    FAILED = "failed"
    """The trial raised an error on every attempt; whoever runs trials records this one."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One training run, completely described.

    Two specs that ask the same question are equal and have the same `trial_id`. The defaults are
    the paper's (De Boom et al., section 4). Which machine trains a trial is not part of it.

    Raises:
        UserError: if a value cannot be trained with; the message names the field.
    """

    dataset: str
    """A name in `trainer.data.DATASETS`."""
    dataset_sha256: str
    """Hash of the content trained on, so that changed data is a different question."""
    architecture: str
    """A name in `trainer.networks.NETWORKS`."""
    layers: tuple[int, ...]
    """Units (dense) or channels (convolutional) of the encoder's stages; the decoder mirrors."""
    tau: float
    """Tolerance τ: the squared error summed over an image's pixels in [0, 1] that is accepted; 0,
    where the objective knows it, asks for as little error as can be."""
    width: int
    """Latent dimensions at the start (the paper's 2n)."""
    seed: int
    """Owns every random number of the trial."""
    steps: int
    """Optimizer steps, one batch each."""
    objective: str = "geco-l0-arm"
    """A name in `trainer.objectives.OBJECTIVES`."""
    batch_size: int = 64
    learning_rate: float = 1e-3
    """Of Adam, for network, gate logits and multiplier alike."""
    k: float = 7.0
    """Slope of the gates' sigmoid σ(kγ)."""
    alpha: float = 0.99
    """Keep-rate of the constraint's moving average."""
    lambda_init: float = 1.0
    """Start of the raw multiplier λ, of which λ' = softplus(λ)²."""
    lambda_min: float = 1e-5
    """Lower bound of λ'."""
    lambda_max: float = 5.0
    """Upper bound of λ'."""
    gate_init: float = 0.42
    """Start of the gate logits: σ(7 · 0.42) ≈ 0.95."""
    tolerance: float = 0.03
    """A trial is infeasible if its constraint's moving average ends above tolerance · τ (τ > 0)."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        object.__setattr__(self, "layers", tuple(self.layers))
        for name in _FLOATS:  # 3 and 3.0 are the same question
            object.__setattr__(self, name, float(getattr(self, name)))
        if not (math.isfinite(self.tau) and self.tau >= 0):
            raise UserError(f"tau must be a number from 0 up, found {self.tau!r}")
        for name in ("k", "learning_rate", "lambda_min", "tolerance"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"{name} must be a positive number, found {value!r}")
        for name, most in (("width", MOST_UNITS), ("steps", 2**40), ("batch_size", MOST_UNITS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise UserError(f"{name} must be a whole number from 1 to {most}, found {value!r}")
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**63):
            raise UserError(f"seed must be a whole number from 0 to 2^63 - 1, found {self.seed!r}")
        if not self.layers or not 1 <= min(self.layers) <= max(self.layers) <= MOST_UNITS:
            raise UserError(
                f"layers must be one or more widths from 1 to {MOST_UNITS}, found {self.layers!r}"
            )
        if not 0 <= self.alpha < 1:
            raise UserError(f"alpha must be at least 0 and below 1, found {self.alpha!r}")
        if not self.lambda_min < self.lambda_max:
            raise UserError(
                f"lambda_max must be above lambda_min = {self.lambda_min}, found {self.lambda_max}"
            )

    @functools.cached_property
    def trial_id(self) -> str:
        """Sixteen hexadecimal digits that stand for this question.

        Fields at their default are left out of the hash, so that a field that is added later,
        with a default that means what was always done, leaves the ids of old ledgers valid.
        """
        fields = {name: getattr(self, name) for name in _DEFAULTS}
        asked = {name: value for name, value in fields.items() if value != _DEFAULTS[name]}
        canonical = _CANONICAL.encode(asked)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """How a person tells this trial from the others of its study."""
        return f"τ={self.tau:.4g} width={self.width} seed={self.seed}"

    def to_json(self) -> str:
        """Write the spec as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TrialSpec:
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields)


_FIELDS = dataclasses.fields(TrialSpec)
_FLOATS = tuple(field.name for field in _FIELDS if field.type == "float")
_DEFAULTS = {field.name: field.default for field in _FIELDS}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What a finished trial reports. Errors are sse: summed over pixels, averaged over images.

    NaN, or None, stands where nothing could be measured: in a trial that diverged or failed.
    """

    status: Status
    open_gates: int | None
    """‖ν‖₀: gates with σ(kγ) > ½."""
    gate_l1: float
    """Σ σ(kγ), the staircase of the paper's Figure 1."""
    train_sse: float
    """Moving average (keep-rate 0.95) of the batches' sse, gates sampled."""
    test_sse_sampled: float
    """Held-out sse with z sampled, gates thresholded, BatchNorm in evaluation mode."""
    test_sse_mean: float
    """The same with z at the posterior mean."""
    constraint_ma: float
    """Moving average of sse − τ at the end (keep-rate `alpha`)."""
    multiplier: float
    """λ' at the end (the ledger's column is `lambda`)."""
    kl: float
    """Moving average (keep-rate 0.95) of the KL over open gates, nats per image."""
    settled_step: int | None
    """The step after which `open_gates` did not change again."""
    seconds: float
    """Wall time that went into the result: what was lost between a checkpoint and a kill is not."""
    steps_per_second: float
    """Training steps over the time spent in training them."""
    device: str
    """Where it was trained, for example `cpu` or `cuda (NVIDIA H200)`."""
    error: str = ""
    """What was raised, for a trial that failed or diverged."""
    precision: str | None = None
    """What float32 numbers were multiplied in, `float32` or `tf32`; None in a trial that failed."""
    compiled: bool | None = None
    """Whether the step was compiled (`trainer.step.compiled`); None in a trial that failed."""

    @classmethod
    def of_failure(cls, error: str, device: str) -> TrialResult:
        """Give the result of a trial that raised on its last attempt."""
        nothing = math.nan
        return cls(
            status=Status.FAILED,
            open_gates=None,
            gate_l1=nothing,
            train_sse=nothing,
            test_sse_sampled=nothing,
            test_sse_mean=nothing,
            constraint_ma=nothing,
            multiplier=nothing,
            kl=nothing,
            settled_step=None,
            seconds=nothing,
            steps_per_second=nothing,
            device=device,
            error=error,
        )
