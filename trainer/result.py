"""The result of one trial: plain values, no tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.verdict import Status


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """The result of a trial. Errors are sse: summed over pixels, averaged over images.

    NaN or None stands for what could not be measured, in a trial that diverged or failed.
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
    """Wall time that went into the result; time lost between a checkpoint and a kill is not in."""
    steps_per_second: float
    """Training steps per second of training time."""
    device: str
    """The device, for example `cpu` or `cuda (NVIDIA H200)`."""
    error: str = ""
    """The error of a trial that failed or diverged."""
    precision: str | None = None
    """What float32 numbers were multiplied in, `float32` or `tf32`; None in a trial that failed."""
    compiled: bool | None = None
    """Whether the step was compiled (`trainer.step.compiled`); None in a trial that failed."""

    @classmethod
    def of_failure(cls, error: str, device: str) -> TrialResult:
        """Return the result of a trial that raised on its last attempt."""
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
