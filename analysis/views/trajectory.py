"""The course of one training: error, gates, λ' and hit rate (the paper's Figure 1)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.answer import Answer
from analysis.course import Course, compute_courses
from analysis.grid import Grid, GridRow, column
from analysis.outcomes import compute_outcomes, outcomes
from analysis.paper import FIGURE_1, Quantity, original
from analysis.study import Study
from analysis.views.base import View
from analysis.words import listed, number, statuses

PAPER_WIDTH = 10
PERCENT = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""Of the steps, where the table looks."""

SHOWN = ("error", "open_gates", "gate_l1", "lambda", "hit_rate")
"""What it shows there, of `MEASURES`."""


def answer(study: Study) -> Answer:
    """Say how far the gates closed."""
    narrowed = [
        f"from {outcome.width} to {number(outcome.gates.median)} dimensions at τ = {outcome.tau:g}"
        for outcome in compute_outcomes(study)
        if outcome.gates is not None
    ]
    how = f"How the trials ended: {statuses(study.trials['status'])}.{study.medians}"
    if not narrowed:
        return Answer(f"No trial on {study.dataset} came to its end.", how)
    steps = study.trials["steps"].max()
    widths = listed(narrowed, once=" dimensions")
    return Answer(f"On {study.dataset}, {steps:,} steps narrow the bottleneck {widths}.", how)


def staircase(study: Study) -> Grid:
    """Give the four quantities along the way; τ and width too, if there are several."""
    courses = compute_courses(study)
    stops = [(course, step) for course in courses for step in _steps(course)]
    measured = {name: [course.at(step, name) for course, step in stops] for name in SHOWN}
    names = ("τ", "width") if len(courses) > 1 else ()
    whose = [(f"{course.tau:g}", str(course.width))[: len(names)] for course, _ in stops]
    cells = zip(
        [f"{step:,}" for _, step in stops],
        column(measured["error"]),
        column(measured["open_gates"]),
        column(measured["gate_l1"]),
        column(measured["lambda"]),
        column([share.map(lambda value: 100 * value) for share in measured["hit_rate"]]),
        strict=True,
    )
    return Grid(
        name="staircase",
        title="Along the way",
        columns=(*names, "step", "error", "open gates", "Σσ(kγ)", "λ'", "% within τ"),
        rows=tuple(GridRow(own + row) for own, row in zip(whose, cells, strict=True)),
        data=pd.DataFrame([_stop(course, step) for course, step in stops]),
        note="Error: its moving average. Σσ(kγ): the gates, each between 0 (closed) and 1 (open). "
        "Within τ: of the images of this step. With several seeds: the median and, in brackets, "
        "their range.",
    )


def _steps(course: Course) -> list[int]:
    last = int(course.median.index[-1])
    sampled = (course.sampled(percent * last / 100) for percent in PERCENT)
    return [step for step in dict.fromkeys(sampled) if step is not None]


def _stop(course: Course, step: int) -> dict[str, Any]:
    record: dict[str, Any] = {"tau": course.tau, "width": course.width, "step": step}
    for name in SHOWN:
        record |= course.at(step, name).columns(name)
    return record


def _record(study: Study) -> dict[str, Any]:
    return {"course": staircase(study).data.to_dict("records")}


def _quantities(study: Study) -> list[Quantity]:
    if original(study.dataset) != "dsprites":
        return []
    return [
        Quantity(
            study.dataset,
            f"open gates after {step:,} steps (τ = {course.tau:g})",
            gates,
            None if (sampled := course.sampled(step)) is None else course.at(sampled, "open_gates"),
        )
        for course in compute_courses(study)
        if course.width == PAPER_WIDTH
        for step, gates in FIGURE_1.items()
    ]


TRAJECTORY = View(
    study="trajectory",
    answer=answer,
    summary=outcomes,
    grids=(staircase, outcomes),
    lead=("course",),
    figures=("curves",),
    record=_record,
    quantities=_quantities,
)
