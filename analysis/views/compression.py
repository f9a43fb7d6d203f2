"""How close to n the gates come that start with 2n (the paper's Table 1)."""

from __future__ import annotations

from typing import Any

from analysis.answer import Answer
from analysis.efficiency import READ_AT, Efficiency, as_table, compute_pairs, summarise
from analysis.grid import Grid, GridRow, spread
from analysis.paper import TABLE_1, Quantity, original
from analysis.statistics import Spread
from analysis.study import Study
from analysis.views.base import View
from analysis.words import listed, number, statuses

NEAR = 2


def answer(study: Study) -> Answer:
    """Say what is left of 2n."""
    lines = [line for line in summarise(compute_pairs(study)) if line.gates[-1] is not None]
    if not lines:
        headline = f"No gated trial on {study.dataset} has finished yet."
        return Answer(headline, "Run the same command again: it continues where it stopped.")
    if len(lines) <= 4 and len(study.datasets) == 1:
        kept = [f"{number(_final(line))} for n = {line.size}" for line in lines]
        headline = f"On {study.dataset}, gates that start with 2n dimensions keep {listed(kept)}."
    else:
        near = sum(abs(_final(line) - line.size) <= NEAR for line in lines)
        headline = (
            f"On {study.dataset}, gates that start with 2n dimensions keep n ± {NEAR} in "
            f"{near} of {len(lines)} cases."
        )
    return Answer(
        headline,
        "A baseline of n dimensions finds the error that they can reach. Then a trial that starts "
        "from twice as many has to hold that error, and closes what it does not need.",
    )


def _final(line: Efficiency) -> float:
    gates = line.gates[-1]
    return float("nan") if gates is None else gates.median


def table(study: Study) -> Grid:
    """Give the paper's Table 1 with what was measured here."""
    pairs = compute_pairs(study)
    rows = []
    for line in summarise(pairs):
        cells = (
            line.dataset,
            str(line.size),
            f"{line.steps:,}",
            _cell(line.error),
            str(line.width),
            *(_cell(gates) for gates in line.gates),
            statuses(line.statuses),
        )
        rows.append(GridRow(cells, faint=line.gates[-1] is None))
    return Grid(
        name="compression",
        title="What is left of 2n",
        columns=(
            "data set", "n", "steps", "error", "width", *(f"at {mark:g}×" for mark in READ_AT),
            "status",
        ),
        rows=tuple(rows),
        data=as_table(pairs),
        text=frozenset({"data set", "status"}),
        note="Error: the baseline's, which the gated trial has for its τ. At 1×, 1.5×, 2×: its "
        "open gates after so many times the baseline's steps, all from one training. Status: of "
        "the gated trial. With several seeds: the median and, in brackets, their range.",
    )  # fmt: skip


def _cell(value: Spread | None) -> str:
    return "" if value is None else spread(value.median, value.low, value.high)


def _facts(study: Study) -> dict[str, Any]:
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
    facts=_facts,
    quantities=_quantities,
)
