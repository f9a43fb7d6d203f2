"""How close to n the gates come that start with 2n (the paper's Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.answer import Answer
from analysis.computed.compression import (
    READ_AT,
    Efficiency,
    Pair,
    as_table,
    compute_pairs,
    summarise,
)
from analysis.format import listed, number, statuses
from analysis.grid import Grid, GridRow, column
from analysis.paper import TABLE_1, Quantity, original
from analysis.study_data import Study
from analysis.views.base import View
from trainer.verdict import Status

NEAR = 2
"""How many dimensions more or less than n are still called close."""

FEW = 4
"""As many lines as the answer can name one by one."""


def answer(study: Study) -> Answer:
    """Say what is left of 2n."""
    pairs = compute_pairs(study)
    lines = [line for line in summarise(pairs) if line.gates[-1] is not None]
    if not lines:
        return _unread(study, pairs)
    few = len(lines) <= FEW and len({line.dataset for line in lines}) == 1
    return Answer(
        _line_by_line(lines) if few else _counted(lines),
        "A baseline of n dimensions finds the error that they can reach. Then a trial that starts "
        "from twice as many has to hold that error, and closes what it does not need."
        f"{_lost(pairs)}{study.medians}",
    )


def _unread(study: Study, pairs: Sequence[Pair]) -> Answer:
    found = f"So far: {statuses(pair.status for pair in pairs)}. " if pairs else ""
    return Answer(
        f"No trial with gates on {study.dataset} has come to its end.",
        f"{found}The same command again goes on with what can be trained.",
    )


def _line_by_line(lines: Sequence[Efficiency]) -> str:
    """Say what is left of each 2n, the lines being of one data set."""
    dataset = lines[0].dataset
    kept = [
        f"{number(held.median)} of {line.width} dimensions where {line.size} would do"
        for line in lines
        if (held := line.held[-1]) is not None
    ]
    lost = [str(line.width) for line in lines if line.held[-1] is None]
    if not kept:
        return f"On {dataset}, no trial with gates holds the error of its baseline."
    missed = f"; from {listed(lost)} dimensions, the baseline's error is not held" if lost else ""
    return f"On {dataset}, training keeps {listed(kept, once=' dimensions')}{missed}."


def _counted(lines: Sequence[Efficiency]) -> str:
    near = sum(_is_near(line) for line in lines)
    cases = {len(lines): "each", 0: "none"}.get(near, str(near))
    return (
        f"In {cases} of {len(lines)} cases, training narrows 2n dimensions to n, give or take "
        f"{NEAR}."
    )


def _is_near(line: Efficiency) -> bool:
    """Whether the seeds that hold τ at the last reading closed some gates and came close to n."""
    held = line.held[-1]
    if held is None:
        return False
    return held.median < line.width and abs(held.median - line.size) <= NEAR


def _lost(pairs: Sequence[Pair]) -> str:
    ended = [pair for pair in pairs if pair.status in set(Status)]
    lost = sum(pair.status == Status.INFEASIBLE for pair in ended)
    if not lost:
        return ""
    return f" {lost} of the {len(ended)} did not hold it at the end."


def table(study: Study) -> Grid:
    """Give the paper's Table 1 with what was measured here."""
    pairs = compute_pairs(study)
    lines = summarise(pairs)
    cells = zip(
        [line.dataset for line in lines],
        [str(line.size) for line in lines],
        [str(line.width) for line in lines],
        *(_readings(lines, mark) for mark in range(len(READ_AT))),
        column([line.error for line in lines]),
        [f"{line.steps:,}" for line in lines],
        [statuses(line.statuses) for line in lines],
        strict=True,
    )
    marks = (f"at {mark:g}×" for mark in READ_AT)
    missed = any(any(line.missed) for line in lines)
    return Grid(
        name="compression",
        title="What is left of 2n",
        columns=("data set", "n", "2n", *marks, "error", "steps", "status"),
        rows=tuple(
            GridRow(row, faint=line.gates[-1] is None)
            for row, line in zip(cells, lines, strict=True)
        ),
        data=as_table(pairs),
        text=frozenset({"data set", "status"}),
        note="At 1×, 1.5×, 2×: open gates after so many times the baseline's steps, all from one "
        "training. Error and steps: the baseline's; the gated trial has this error for its τ. "
        "Status: of the gated trial. With several seeds: the median and, in brackets, their range."
        + (" *: τ was not held at that step, of several seeds not by all." if missed else ""),
    )


def _readings(lines: Sequence[Efficiency], mark: int) -> list[str]:
    """Write a column of gates, with an asterisk where not all the seeds that were read held τ."""
    cells = column([line.gates[mark] for line in lines])
    return [
        f"{cell}*" if line.missed[mark] else cell for cell, line in zip(cells, lines, strict=True)
    ]


def _record(study: Study) -> dict[str, Any]:
    return {"pairs": [vars(pair) for pair in compute_pairs(study)]}


def _quantities(study: Study) -> list[Quantity]:
    found = []
    for line in summarise(compute_pairs(study)):
        paper = TABLE_1.get(original(line.dataset), {}).get(line.size)
        if paper is None:
            continue
        found.append(Quantity(line.dataset, f"error, n = {line.size}", paper.error, line.error))
        for mark, theirs, ours in zip(READ_AT, paper.gates, line.held, strict=True):
            what = f"open gates at {mark:g}×, n = {line.size}"
            found.append(Quantity(line.dataset, what, theirs, ours))
    return found


COMPRESSION = View(
    study="compression",
    answer=answer,
    summary=table,
    grids=(table,),
    lead=("compression",),
    figures=("curves",),
    record=_record,
    quantities=_quantities,
)
