"""The front: how many dimensions suffice for how much error (the paper's Figure 2)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import axes
from analysis.answer import Answer, answer_without_trials
from analysis.computed.front import FrontData, FrontPoint, compute_front, counts_for_front
from analysis.computed.outcomes import Outcome, compute_outcomes, held_gates
from analysis.figures import Plot, plots
from analysis.figures.curves import choose_trials, curve_figures
from analysis.figures.front import front_figures
from analysis.figures.reconstructions import compute_reconstructions
from analysis.format import aligned
from analysis.grid import Grid, GridRow, column, spread
from analysis.paper import FIGURE_2, PaperValue, compare_with_paper, original
from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.views.base import View, as_json
from analysis.views.outcome_grid import outcome_grid
from analysis.warnings import ADVICE, compute_warnings, few_seeds
from sweeper.ledger.units import counted
from trainer.verdict import Status

PAPER_WIDTH = 32


def compute(study: StudyData) -> StudyReport:
    """Compute what is reported of a front."""
    study, front = _with_checked_model(study)
    return StudyReport(
        study=study,
        answer=answer_without_trials(study) or _answer(study, front),
        summary=_summary(study.trials, front),
        grids=(_front_grid(study, front),),
        paper=compare_with_paper(study, _paper_values(study)),
        warnings=compute_warnings(study, few_seeds(front)),
        facts=as_json(_facts(front)),
        plots=lambda: _plots(study, front),
    )


def _with_checked_model(study: StudyData) -> tuple[StudyData, FrontData]:
    """Compute the front, and check the model that it recommends, if there was no time before."""
    while True:
        front = compute_front(study.trials, study.without_model)
        if front.recommended is None:
            return study, front
        checked = study.checked(front.recommended.trial_id)
        if checked.files == study.files:
            return study, front
        study = checked


def _answer(study: StudyData, front: FrontData) -> Answer:
    """Describe how many dimensions suffice, as far as the study shows."""
    points = front.front
    if not points:
        return _answer_without_front(study)
    best = (compute_front(study.trials) if study.without_model else front).recommended
    if best is not None:
        return _answer_with_point(study, front, best)
    many, few = points[0], points[-1]
    headline = (
        f"On {study.dataset}, the front runs from {_gates(many)} dimensions at a squared error of "
        f"{many.error:.3g} per image to {_gates(few)} at {few.error:.3g}."
    )
    return Answer(headline, front.reason)


def _answer_with_point(study: StudyData, front: FrontData, best: FrontPoint) -> Answer:
    """Recommend the best point of the front or, where its model is lost, the next best.

    Args:
        study: the study.
        front: its front.
        best: what would be recommended if no model were lost.
    """
    point = front.recommended
    headline = f"On {study.dataset}, {_suffices(point or best)}."
    if point is not None and point.trial_id == best.trial_id:
        return Answer(headline, front.reason, point)
    problem = f"{study.files.problems[best.trial_id]}. {study.files.advice}"
    if point is None:
        reason = f"{front.reason} But no model can be recommended: {problem}"
    elif axes.key(vars(point)) == axes.key(vars(best)):
        reason = f"{front.reason} The trial closest to its medians is passed over: {problem}"
    else:
        best_label = axes.label(vars(best))
        reason = f"This is the next best point: the best is {best_label}, but {problem}"
    return Answer(headline, reason, point)


def _suffices(point: FrontPoint) -> str:
    verb = "suffices" if point.open_gates == 1 else "suffice"
    return (
        f"{_gates(point)} dimensions {verb} for a squared error of {point.error:.3g} per "
        f"held-out image (τ = {point.tau:g})"
    )


def _gates(point: FrontPoint) -> str:
    return f"{point.open_gates} of {point.width}"


def _answer_without_front(study: StudyData) -> Answer:
    counts = study.trials["status"].value_counts()
    found = ", ".join(f"{count} {status}" for status, count in counts.items())
    if set(counts.index) == {Status.FEASIBLE}:
        advice = "The feasible ones have no finite held-out error: check the held-out images."
    else:
        worst = next(status for status in counts.index if status != Status.FEASIBLE)
        advice = ADVICE[Status(worst)]
    headline = f"No trial on {study.dataset} is feasible yet, so there is no front."
    return Answer(headline, f"Of {counted(len(study.trials), 'trial')}: {found}. {advice}")


def _summary(trials: pd.DataFrame, front: FrontData) -> Grid:
    """Return a row per experiment, medians over its feasible seeds, and mark the beaten ones."""
    beaten = front.beaten

    def remark(outcome: Outcome) -> str:
        return " (beaten)" if axes.key(vars(outcome)) in beaten else ""

    return outcome_grid(compute_outcomes(trials, counts_for_front), "are feasible", remark)


def _front_grid(study: StudyData, front: FrontData) -> Grid:
    """Return a row per point of the front."""
    several = bool((front.points["trials"] > 1).any())
    points = front.front
    errors = column([point.error_over_seeds for point in points])
    mean = aligned([point.test_sse_mean for point in points])
    rows = []
    for point, error in zip(points, errors, strict=True):
        cells = [
            *axes.cells(vars(point)),
            spread(point.gates_over_seeds),
            error,
            mean(point.test_sse_mean),
            *([f"{point.seeds} of {point.trials}"] if several else []),
            _remark(point, front),
        ]
        rows.append(GridRow(tuple(cells), strong=_start(front) == point))
    seeds = ["feasible seeds"] if several else []
    return Grid(
        name="front",
        title="The front",
        columns=(*axes.HEADINGS, "open gates", "error, sampled", "error, mean", *seeds, " "),
        rows=tuple(rows),
        data=front.points.assign(damage=study.damage_of(front.points)),
        text=frozenset({" "}),
        note="Medians over the feasible seeds (of an even number, the upper of the middle two); "
        "in brackets their range where they differ."
        if several
        else "",
    )


def _start(front: FrontData) -> FrontPoint | None:
    """Return the point of a front of several that is marked: the knee, unless its model is lost."""
    return None if front.knee is None else front.recommended


def _remark(point: FrontPoint, front: FrontData) -> str:
    marks = ["knee"] if point == front.knee else []
    return ": ".join([*marks, *(["start here"] if point == _start(front) else [])])


def _facts(front: FrontData) -> dict[str, Any]:
    point = front.recommended
    return {
        "recommended": None if point is None else vars(point),
        "front": [vars(point) for point in front.front],
    }


def _paper_values(study: StudyData) -> list[PaperValue]:
    if original(study.dataset) != "mnist":
        return []
    here = held_gates(compute_outcomes(study.trials))
    return [
        PaperValue("mnist", f"open gates at τ = {tau:g}", gates, here.get((tau, PAPER_WIDTH)))
        for tau, gates in FIGURE_2.items()
    ]


def _plots(study: StudyData, front: FrontData) -> tuple[Plot, ...]:
    reconstructions = compute_reconstructions(study.ledger, front)
    drawn = choose_trials(study.trials)
    return plots(
        front=front_figures(study.trials, front, reconstructions),
        reconstructions={"reconstructions": reconstructions} if reconstructions else {},
        curves=curve_figures(drawn, study.ledger.curves_of(drawn["trial_id"])),
    )


PARETO = View(study="pareto", compute=compute)
