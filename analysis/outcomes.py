"""What became of each τ and width, over all seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.grid import Grid, GridRow, column
from analysis.statistics import Spread
from analysis.study import Study
from analysis.words import statuses
from trainer.spec import Status

HELD = (Status.FEASIBLE, Status.UNSETTLED)
"""The statuses of trials that hold τ at their end."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The trials of one τ and width, which differ in their seed only."""

    tau: float
    width: int
    held: bool
    """Whether any of them holds τ. Then the figures are of those that do, otherwise of all."""
    gates: Spread | None
    """Open gates at the end; None if no trial came to it."""
    error: Spread | None
    """Held-out sse with sampled latents."""
    error_mean: Spread | None
    """Held-out sse with mean latents."""
    statuses: tuple[str, ...]
    """Of all of them, seed by seed."""
    trials: pd.DataFrame
    """Those that the figures are of."""


def compute_outcomes(study: Study) -> list[Outcome]:
    """Summarise the trials of a study on one data set, sorted by τ and width."""
    return [_outcome(trials) for _, trials in study.trials.groupby(["tau", "width"])]


def _outcome(trials: pd.DataFrame) -> Outcome:
    held = trials[trials["status"].isin(HELD)]
    told = trials if held.empty else held
    return Outcome(
        tau=float(trials["tau"].iloc[0]),
        width=int(trials["width"].iloc[0]),
        held=not held.empty,
        gates=Spread.of(told["open_gates"]),
        error=Spread.of(told["test_sse_sampled"]),
        error_mean=Spread.of(told["test_sse_mean"]),
        statuses=tuple(trials["status"]),
        trials=told,
    )


def outcomes(study: Study) -> Grid:
    """Give a row per τ and width; faint where no seed holds τ."""
    found = compute_outcomes(study)
    cells = zip(
        [f"{outcome.tau:g}" for outcome in found],
        [str(outcome.width) for outcome in found],
        column([outcome.gates for outcome in found]),
        column([outcome.error for outcome in found]),
        column([outcome.error_mean for outcome in found]),
        [str(len(outcome.statuses)) for outcome in found],
        [statuses(outcome.statuses) for outcome in found],
        strict=True,
    )
    return Grid(
        name="outcomes",
        title="What became of each τ",
        columns=("τ", "width", "open gates", "error, sampled", "error, mean", "seeds", "status"),
        rows=tuple(
            GridRow(row, faint=not outcome.held) for row, outcome in zip(cells, found, strict=True)
        ),
        data=pd.DataFrame([_record(outcome) for outcome in found]),
        text=frozenset({"status"}),
        note="Errors are of held-out images. With several seeds: the median of those that hold τ "
        "and, in brackets, their range.",
    )


def _record(outcome: Outcome) -> dict[str, Any]:
    measured = {
        "open_gates": outcome.gates,
        "test_sse_sampled": outcome.error,
        "test_sse_mean": outcome.error_mean,
    }
    record = {
        "tau": outcome.tau,
        "width": outcome.width,
        "held": outcome.held,
        "seeds": len(outcome.statuses),
        "status": statuses(outcome.statuses),
    }
    for name, value in measured.items():
        record |= {} if value is None else value.columns(name)
    return record
