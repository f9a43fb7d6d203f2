"""The course of one training: error, gates, λ' and hit rate (the paper's Figure 1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.answer import Answer
from analysis.computed.outcomes import Outcome, compute_outcomes, holds, named, not_held, outcomes
from analysis.computed.trajectory import Course, compute_courses
from analysis.format import listed, number, statuses
from analysis.grid import Grid, GridRow, column, spread
from analysis.paper import FIGURE_1, Quantity, original
from analysis.seeds import Spread
from analysis.study_data import Study
from analysis.views.base import View

PAPER_WIDTH = 10
PERCENT = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""Of the steps, where the table looks."""

SHOWN = ("error", "open_gates", "gate_l1", "lambda", "hit_rate")
"""What it shows there, of `MEASURES`."""


def answer(study: Study) -> Answer:
    """Say how far the gates closed, where τ is held."""
    found = compute_outcomes(study)
    how = f"How the trials ended: {statuses(study.trials['status'])}.{study.medians}"
    if all(outcome.gates is None for outcome in found):
        return Answer(f"No trial on {study.dataset} came to its end.", how)
    if not any(outcome.held for outcome in found):
        return Answer(f"No trial on {study.dataset} holds its τ.", how)
    narrowed = [_narrowed(outcome) for outcome in found if outcome.held and _closes(outcome)]
    others = [outcome for outcome in found if outcome.held and not _closes(outcome)]
    said = []
    if narrowed:
        steps = study.trials["steps"].max()
        widths = listed(narrowed, once=" dimensions")
        said.append(f"{steps:,} steps narrow the bottleneck {widths}")
    if others:
        said.append(f"no gate closed at {named(others, found)}")
    return Answer(f"On {study.dataset}, {'; '.join(said)}{not_held(found)}.", how)


def _closes(outcome: Outcome) -> bool:
    """Whether a gate closed, with any seed."""
    return outcome.gates is not None and outcome.gates.low < outcome.width


def _narrowed(outcome: Outcome) -> str:
    gates = outcome.gates
    assert gates is not None
    # Where only some of the seeds closed a gate, the median alone would say that none did.
    left = number(gates.median) if gates.median < outcome.width else spread(gates)
    return f"from {outcome.width} to {left} dimensions at τ = {outcome.tau:g}"


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
    trials = study.trials[study.trials["width"] == PAPER_WIDTH]
    kept = replace(study, trials=trials[holds(trials)])
    courses = {course.tau: course for course in compute_courses(kept)}
    return [
        Quantity(
            study.dataset,
            f"open gates after {step:,} steps (τ = {tau:g})",
            gates,
            _gates_after(step, courses.get(tau)),
        )
        for tau in sorted(set(trials["tau"]))
        for step, gates in FIGURE_1.items()
    ]


def _gates_after(step: int, course: Course | None) -> Spread | None:
    sampled = None if course is None else course.sampled(step)
    return None if course is None or sampled is None else course.at(sampled, "open_gates")


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
