"""The course of one training: error, gates, λ' and hit rate (the paper's Figure 1)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.answer import Answer
from analysis.course import Course, compute_courses
from analysis.grid import Grid, GridRow, spread
from analysis.paper import FIGURE_1, Quantity, original
from analysis.statistics import Spread
from analysis.study import Study
from analysis.views.base import View
from analysis.views.pareto import outcomes
from analysis.words import statuses

PAPER_WIDTH = 10
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the steps, where the table looks."""


def answer(study: Study) -> Answer:
    """Say how far the gates closed."""
    parts = [_closing(course) for course in compute_courses(study)]
    if not parts:
        return Answer(f"No trial on {study.dataset} recorded its course.", "")
    return Answer(
        f"On {study.dataset}, {'; '.join(parts)}.",
        f"How the trials ended: {statuses(study.trials['status'])}.",
    )


def _closing(course: Course) -> str:
    end = course.median.index[-1]
    gates = spread(*(table["open_gates"].iloc[-1] for table in _tables(course)))
    return f"{course.width} gates close to {gates} in {end:,} steps at τ = {course.tau:g}"


def _tables(course: Course) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return course.median, course.low, course.high


def staircase(study: Study) -> Grid:
    """Give the four quantities along the way."""
    rows, data = [], []
    for course in compute_courses(study):
        last = course.median.index[-1]
        for step in dict.fromkeys(course.at(share * last) for share in SHARES):
            if step is None:
                continue
            row = {
                name: [table.loc[step, name] for table in _tables(course)]
                for name in ("constraint_ma", "open_gates", "gate_l1", "lambda", "hit_rate")
            }
            error = [course.tau + value for value in row["constraint_ma"]]
            cells = (
                f"{course.tau:g}",
                f"{step:,}",
                spread(*error),
                spread(*row["open_gates"]),
                spread(*row["gate_l1"]),
                spread(*row["lambda"]),
                spread(*(100 * value for value in row["hit_rate"])) + " %",
            )
            rows.append(GridRow(cells))
            names = ("median", "min", "max")
            data.append(
                {"tau": course.tau, "width": course.width, "step": step}
                | {
                    f"{name}_{which}": value
                    for name, values in row.items()
                    for which, value in zip(names, values, strict=True)
                }
            )
    return Grid(
        name="staircase",
        title="Along the way",
        columns=("τ", "step", "error", "open gates", "Σσ(kγ)", "λ'", "within τ"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        note="Error: its moving average. Within τ: of this step's images. With several seeds: the "
        "median and, in brackets, their range.",
    )


def _facts(study: Study) -> dict[str, Any]:
    return {"course": staircase(study).data.to_dict("records")}


def _quantities(study: Study) -> list[Quantity]:
    if original(study.dataset) != "dsprites":
        return []
    return [
        Quantity(
            study.dataset,
            f"open gates after {step:,} steps (τ = {course.tau:g})",
            gates,
            _gates_at(course, step),
        )
        for course in compute_courses(study)
        if course.width == PAPER_WIDTH
        for step, gates in FIGURE_1.items()
    ]


def _gates_at(course: Course, step: int) -> Spread | None:
    sampled = course.at(step)
    if sampled is None:
        return None
    median, low, high = (float(table.loc[sampled, "open_gates"]) for table in _tables(course))
    return Spread(median, low, high, course.seeds)


TRAJECTORY = View(
    study="trajectory",
    answer=answer,
    summary=outcomes,
    grids=(staircase, outcomes),
    lead=("course",),
    figures=("curves",),
    facts=_facts,
    quantities=_quantities,
)
