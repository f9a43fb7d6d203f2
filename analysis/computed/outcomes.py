"""What became of each τ and width, over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.format import listed, statuses
from analysis.grid import Grid, GridRow, column
from analysis.seeds import Spread
from analysis.study_data import Study
from trainer.verdict import Status

HELD = (Status.FEASIBLE, Status.UNSETTLED)
"""The statuses of trials that hold τ at their end."""


def holds(trials: pd.DataFrame) -> pd.Series:
    """Mark the trials that hold τ at their end."""
    return trials["status"].isin(HELD)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The trials of one τ and width, which differ in their seed only."""

    tau: float
    width: int
    held: bool
    """Whether any of them holds τ (of a front: is feasible). Then the figures are of those that do,
    otherwise of all."""
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


def compute_outcomes(
    study: Study, counted: Callable[[pd.DataFrame], pd.Series] = holds
) -> list[Outcome]:
    """Summarise the trials of a study on one data set, sorted by τ and width.

    Args:
        study: on one data set.
        counted: marks the trials that the figures are of: those that hold τ, or for a front
            `analysis.computed.front.takes_part`, since only feasible trials are points of it.
    """
    groups = study.trials.groupby(["tau", "width"])
    return [_outcome(trials, counted(trials)) for _, trials in groups]


def _outcome(trials: pd.DataFrame, counted: pd.Series) -> Outcome:
    held = bool(counted.any())
    told = trials[counted] if held else trials
    return Outcome(
        tau=float(trials["tau"].iloc[0]),
        width=int(trials["width"].iloc[0]),
        held=held,
        gates=Spread.of(told["open_gates"]),
        error=Spread.of(told["test_sse_sampled"]),
        error_mean=Spread.of(told["test_sse_mean"]),
        statuses=tuple(trials["status"]),
        trials=told,
    )


def held_gates(study: Study) -> dict[tuple[float, int], Spread | None]:
    """Give the open gates at the end by τ and width, None where no seed holds τ."""
    return {
        (outcome.tau, outcome.width): outcome.gates if outcome.held else None
        for outcome in compute_outcomes(study)
    }


def named(some: Sequence[Outcome], found: Sequence[Outcome]) -> str:
    """Name some of the outcomes found by their τ, and by their widths where there are several."""
    several = len({outcome.width for outcome in found}) > 1
    return listed(
        [
            f"τ = {outcome.tau:g}" + (f" from {outcome.width} dimensions" if several else "")
            for outcome in some
        ],
        once=" dimensions",
    )


def not_held(found: Sequence[Outcome]) -> str:
    """Name those of which no seed holds τ, as the end of a sentence; empty if there are none."""
    lost = [outcome for outcome in found if not outcome.held]
    return f"; {named(lost, found)} {'is' if len(lost) == 1 else 'are'} not held" if lost else ""


def outcomes(study: Study) -> Grid:
    """Give a row per τ and width, medians over the seeds that hold τ."""
    return as_grid(compute_outcomes(study), "hold τ")


def as_grid(
    found: Sequence[Outcome],
    counted: str,
    remark: Callable[[Outcome], str] = lambda outcome: "",
) -> Grid:
    """Give a row per τ and width; faint where no seed does what counts.

    Args:
        found: the rows.
        counted: what the seeds do that the medians are over, in words.
        remark: what to say behind the status.
    """
    cells = zip(
        [f"{outcome.tau:g}" for outcome in found],
        [str(outcome.width) for outcome in found],
        column([outcome.gates for outcome in found]),
        column([outcome.error for outcome in found]),
        [str(len(outcome.statuses)) for outcome in found],
        [statuses(outcome.statuses) + remark(outcome) for outcome in found],
        strict=True,
    )
    return Grid(
        name="outcomes",
        title="What became of each τ",
        columns=("τ", "width", "open gates", "held-out sse", "seeds", "status"),
        rows=tuple(
            GridRow(row, faint=not outcome.held) for row, outcome in zip(cells, found, strict=True)
        ),
        data=pd.DataFrame([_record(outcome) for outcome in found]),
        text=frozenset({"status"}),
        note="Held-out sse: with sampled latents. With several seeds: the median of those that "
        f"{counted} and, in brackets, their range.",
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
