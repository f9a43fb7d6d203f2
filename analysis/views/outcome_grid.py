"""How each experiment ended, as the table and the half-sentences that several studies share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from analysis import axes
from analysis.computed.outcomes import Outcome
from analysis.format import listed, statuses
from analysis.grid import Grid, GridRow, column


def named(some: Sequence[Outcome], outcomes: Sequence[Outcome]) -> str:
    """Name some of the outcomes by their τ, and by their widths if there are several of these."""
    several = len({outcome.width for outcome in outcomes}) > 1
    return listed(
        [
            f"τ = {outcome.tau:g}" + (f" from {outcome.width} dimensions" if several else "")
            for outcome in some
        ],
        once=" dimensions",
    )


def not_held(outcomes: Sequence[Outcome]) -> str:
    """Name those of which no seed holds τ, as the end of a sentence; empty if there are none."""
    lost = [outcome for outcome in outcomes if not outcome.held]
    if not lost:
        return ""
    return f"; {named(lost, outcomes)} {'is' if len(lost) == 1 else 'are'} not held"


def outcome_grid(
    outcomes: Sequence[Outcome],
    counted: str = "hold τ",
    remark: Callable[[Outcome], str] = lambda outcome: "",
) -> Grid:
    """Return a table with a row per experiment, faint if no seed does what is counted.

    Args:
        outcomes: the rows.
        counted: what the seeds do that the medians are over, as a phrase.
        remark: returns what to write behind the status.
    """
    cells = zip(
        column([outcome.gates for outcome in outcomes]),
        column([outcome.error for outcome in outcomes]),
        [str(len(outcome.statuses)) for outcome in outcomes],
        [statuses(outcome.statuses) + remark(outcome) for outcome in outcomes],
        strict=True,
    )
    return Grid(
        name="outcomes",
        title="Results by τ",
        columns=(*axes.HEADINGS, "open gates", "held-out sse", "seeds", "status"),
        rows=tuple(
            GridRow(axes.cells(vars(outcome)) + measured, faint=not outcome.held)
            for outcome, measured in zip(outcomes, cells, strict=True)
        ),
        data=pd.DataFrame([_record(outcome) for outcome in outcomes]),
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
        **{name: getattr(outcome, name) for name in axes.COLUMNS},
        "held": outcome.held,
        "seeds": len(outcome.statuses),
        "status": statuses(outcome.statuses),
    }
    for name, value in measured.items():
        record |= {} if value is None else value.columns(name)
    return record
