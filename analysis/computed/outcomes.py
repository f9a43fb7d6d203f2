"""How the trials of each experiment ended, over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from analysis import axes
from analysis.seeds import Spread
from trainer.verdict import Status

HELD = (Status.FEASIBLE, Status.UNSETTLED)
"""The statuses of trials that hold τ at their end."""


def holds(trials: pd.DataFrame) -> pd.Series:
    """Mark the trials that hold τ at their end."""
    return trials["status"].isin(HELD)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The trials of one experiment, which differ in their seed only."""

    tau: float
    width: int
    held: bool
    """Whether any of them holds τ (of a front: is feasible). If so, the numbers below are over the
    trials that do, otherwise over all."""
    gates: Spread | None
    """Open gates at the end; None if no trial reached its end."""
    error: Spread | None
    """Held-out sse with sampled latents."""
    error_mean: Spread | None
    """Held-out sse with mean latents."""
    statuses: tuple[str, ...]
    """Of all trials, seed by seed."""
    trials: pd.DataFrame
    """The trials that the numbers above are over."""


def compute_outcomes(
    trials: pd.DataFrame, counted: Callable[[pd.DataFrame], pd.Series] = holds
) -> list[Outcome]:
    """Summarise the trials of each experiment, sorted by the axes.

    Args:
        trials: as `read_trials` returns them, all on one data set.
        counted: marks the trials that the numbers are over: those that hold τ, or for a front
            `analysis.computed.front.counts_for_front`, since only feasible trials are its points.
    """
    return [_outcome(rows, counted(rows)) for rows in axes.group(trials)]


def _outcome(trials: pd.DataFrame, counted: pd.Series) -> Outcome:
    held = bool(counted.any())
    chosen = trials[counted] if held else trials
    return Outcome(
        tau=float(trials["tau"].iloc[0]),
        width=int(trials["width"].iloc[0]),
        held=held,
        gates=Spread.of(chosen["open_gates"]),
        error=Spread.of(chosen["test_sse_sampled"]),
        error_mean=Spread.of(chosen["test_sse_mean"]),
        statuses=tuple(trials["status"]),
        trials=chosen,
    )


def held_gates(outcomes: Iterable[Outcome]) -> dict[axes.Key, Spread | None]:
    """Return the open gates by the values on the axes, None where no seed holds τ."""
    return {
        axes.key(vars(outcome)): outcome.gates if outcome.held else None for outcome in outcomes
    }
