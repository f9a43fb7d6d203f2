"""How a finished trial is judged."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from trainer.spec import TrialSpec


class Status(enum.StrEnum):
    """How a trial ended. Only feasible trials are points of the front."""

    FEASIBLE = "feasible"
    """τ is held, or is 0 (no bound), and the gates are settled."""
    UNSETTLED = "unsettled"
    """τ is held, but a gate is undecided or moved in the last tenth of the steps."""
    INFEASIBLE = "infeasible"
    """τ was never reached, or not held to the end."""
    DIVERGED = "diverged"
    """A loss, gradient or parameter became infinite or not a number."""
    FAILED = "failed"
    """The trial raised an error on every attempt; the caller records this one."""


UNDECIDED_RANGE = (0.1, 0.9)
"""A gate whose σ(kγ) lies in this range is neither open nor closed."""

SETTLED_FRACTION = 0.9
"""`open_gates` of a settled trial does not change after this fraction of the steps."""


def decide(
    spec: TrialSpec,
    *,
    finite: bool,
    constraint_ma: float,
    open_probabilities: Sequence[float],
    settled_step: int,
) -> Status:
    """Return the status of a trial at its end: the first that applies, in the order below.

    Args:
        spec: what was asked.
        finite: whether every loss, gradient and parameter was finite.
        constraint_ma: C_ma, in sse.
        open_probabilities: σ(kγ) of every gate.
        settled_step: the step after which the number of open gates did not change.
    """
    if not finite:
        return Status.DIVERGED
    if spec.tau > 0 and constraint_ma > spec.tolerance * spec.tau:
        return Status.INFEASIBLE
    low, high = UNDECIDED_RANGE
    undecided = any(low <= probability <= high for probability in open_probabilities)
    if undecided or settled_step > SETTLED_FRACTION * spec.steps:
        return Status.UNSETTLED
    return Status.FEASIBLE
