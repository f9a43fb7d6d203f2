"""How close to n the gates come that start with 2n (the paper's Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.answer import Answer
from analysis.efficiency import READ_AT, Efficiency, Pair, as_table, compute_pairs, summarise
from analysis.grid import Grid, GridRow, column
from analysis.paper import TABLE_1, Quantity, original
from analysis.study import Study
from analysis.views.base import View
from analysis.words import listed, number, statuses
from trainer.spec import Status

NEAR = 2
"""How many dimensions more than n are still called close."""

FEW = 4
"""As many lines as the answer can name one by one."""


def answer(study: Study) -> Answer:
    """Say what is left of 2n."""
    pairs = compute_pairs(study)
    lines = [line for line in summarise(pairs) if line.gates[-1] is not None]
    if not lines:
        return _unread(study, pairs)
    if len(lines) <= FEW and len(study.datasets) == 1:
        kept = listed([_kept(line) for line in lines], once=" dimensions")
        headline = f"On {study.dataset}, training keeps {kept}."
    else:
        near = sum(_is_near(line) for line in lines)
        cases = f"{'each' if near == len(lines) else near} of {len(lines)}"
        headline = (
            f"In {cases} cases, training keeps at most n + {NEAR} of 2n dimensions where n would "
            "do."
        )
    return Answer(
        headline,
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


def _kept(line: Efficiency) -> str:
    gates = line.gates[-1]
    assert gates is not None
    return f"{number(gates.median)} of {line.width} dimensions where {line.size} would do"


def _is_near(line: Efficiency) -> bool:
    gates = line.gates[-1]
    return gates is not None and gates.median <= line.size + NEAR


def _lost(pairs: Sequence[Pair]) -> str:
    ended = [pair for pair in pairs if pair.status in set(Status)]
    lost = sum(pair.status == Status.INFEASIBLE for pair in ended)
    if not lost:
        return ""
    return f" {lost} of the {len(ended)} did not hold it at the end, and may have closed too much."


def table(study: Study) -> Grid:
    """Give the paper's Table 1 with what was measured here."""
    pairs = compute_pairs(study)
    lines = summarise(pairs)
    cells = zip(
        [line.dataset for line in lines],
        [str(line.size) for line in lines],
        [str(line.width) for line in lines],
        *(column([line.gates[mark] for line in lines]) for mark in range(len(READ_AT))),
        column([line.error for line in lines]),
        [f"{line.steps:,}" for line in lines],
        [statuses(line.statuses) for line in lines],
        strict=True,
    )
    marks = (f"at {mark:g}×" for mark in READ_AT)
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
        "Status: of the gated trial. With several seeds: the median and, in brackets, their range.",
    )


def _record(study: Study) -> dict[str, Any]:
    return {"pairs": [vars(pair) for pair in compute_pairs(study)]}


def _quantities(study: Study) -> list[Quantity]:
    found = []
    for line in summarise(compute_pairs(study)):
        paper = TABLE_1.get(original(line.dataset), {}).get(line.size)
        if paper is None:
            continue
        found.append(Quantity(line.dataset, f"error, n = {line.size}", paper.error, line.error))
        for mark, theirs, ours in zip(READ_AT, paper.gates, line.gates, strict=True):
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
