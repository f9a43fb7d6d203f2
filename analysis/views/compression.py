"""How many of 2n dimensions stay open where n would do (the paper's Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answer import Answer, answer_without_trials
from analysis.computed.compression import (
    READ_AT,
    Pair,
    TableLine,
    as_table,
    compute_pairs,
    is_baseline,
    summarise,
)
from analysis.figures import plots
from analysis.figures.compression import compute_compression_figure
from analysis.figures.curves import choose_trials, curve_figures
from analysis.format import listed, number, statuses
from analysis.grid import Grid, GridRow, column
from analysis.paper import TABLE_1, PaperValue, compare_with_paper, original
from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.views.base import View, as_json
from analysis.warnings import compute_warnings
from trainer.verdict import Status

MAX_DISTANCE = 2
"""How many dimensions more or less than n still count as close."""

MAX_NAMED_LINES = 4
"""The answer names up to so many lines one by one; of more it counts those close to n."""


def compute(study: StudyData) -> StudyReport:
    """Compute what is reported of a compression study."""
    drawn = choose_trials(study.trials)
    gated = study.trials[~is_baseline(study.trials)]
    curves = study.ledger.curves_of({*gated["trial_id"], *drawn["trial_id"]})
    pairs = compute_pairs(study.trials, curves)
    lines = summarise(pairs)
    grid = _grid(pairs, lines)
    figure = compute_compression_figure(lines)
    return StudyReport(
        study=study,
        answer=answer_without_trials(study) or _answer(study, pairs, lines),
        summary=grid,
        grids=(grid,),
        paper=compare_with_paper(study, _paper_values(lines)),
        warnings=compute_warnings(study),
        facts=as_json({"pairs": [vars(pair) for pair in pairs]}),
        plots=lambda: plots(
            compression={"compression": figure} if figure else {},
            curves=curve_figures(drawn, curves),
        ),
    )


def _answer(study: StudyData, pairs: Sequence[Pair], lines: Sequence[TableLine]) -> Answer:
    """Describe what is left of 2n."""
    ended = [line for line in lines if line.gates[-1] is not None]
    if not ended:
        return _answer_without_end(study, pairs)
    few = len(ended) <= MAX_NAMED_LINES and len({line.dataset for line in ended}) == 1
    return Answer(
        _line_by_line(ended) if few else _counted(ended),
        "A baseline of n dimensions finds the error that they can reach. Then a trial that starts "
        "from twice as many has to hold that error, and closes what it does not need."
        f"{_lost(pairs)}{study.medians_note}",
    )


def _answer_without_end(study: StudyData, pairs: Sequence[Pair]) -> Answer:
    found = f"So far: {statuses(pair.status for pair in pairs)}. " if pairs else ""
    return Answer(
        f"No trial with gates on {study.dataset} has come to its end.",
        f"{found}The same command again goes on with what can be trained.",
    )


def _line_by_line(lines: Sequence[TableLine]) -> str:
    """Describe what is left of 2n in each line, all of one data set."""
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


def _counted(lines: Sequence[TableLine]) -> str:
    close = sum(_is_close(line) for line in lines)
    cases = {len(lines): "each", 0: "none"}.get(close, str(close))
    return (
        f"In {cases} of {len(lines)} cases, training narrows 2n dimensions to n, give or take "
        f"{MAX_DISTANCE}."
    )


def _is_close(line: TableLine) -> bool:
    """Return whether the seeds that hold τ at the last reading closed gates and came close to n."""
    held = line.held[-1]
    if held is None:
        return False
    return held.median < line.width and abs(held.median - line.size) <= MAX_DISTANCE


def _lost(pairs: Sequence[Pair]) -> str:
    ended = [pair for pair in pairs if pair.status in set(Status)]
    lost = sum(pair.status == Status.INFEASIBLE for pair in ended)
    if not lost:
        return ""
    return f" {lost} of the {len(ended)} did not hold it at the end."


def _grid(pairs: Sequence[Pair], lines: Sequence[TableLine]) -> Grid:
    """Return the paper's Table 1 with what was measured here."""
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


def _readings(lines: Sequence[TableLine], mark: int) -> list[str]:
    """Return a column of gates, with an asterisk where some of the seeds did not hold τ."""
    cells = column([line.gates[mark] for line in lines])
    return [
        f"{cell}*" if line.missed[mark] else cell for cell, line in zip(cells, lines, strict=True)
    ]


def _paper_values(lines: Sequence[TableLine]) -> list[PaperValue]:
    values = []
    for line in lines:
        paper = TABLE_1.get(original(line.dataset), {}).get(line.size)
        if paper is None:
            continue
        values.append(PaperValue(line.dataset, f"error, n = {line.size}", paper.error, line.error))
        for mark, theirs, ours in zip(READ_AT, paper.gates, line.held, strict=True):
            quantity = f"open gates at {mark:g}×, n = {line.size}"
            values.append(PaperValue(line.dataset, quantity, theirs, ours))
    return values


COMPRESSION = View(study="compression", compute=compute)
