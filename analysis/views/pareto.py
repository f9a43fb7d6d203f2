"""The front: how many dimensions suffice for how much error (the paper's Figure 2)."""

from __future__ import annotations

from typing import Any

from analysis.answer import Answer
from analysis.computed.front import FrontPoint, takes_part
from analysis.computed.outcomes import Outcome, as_grid, compute_outcomes, held_gates
from analysis.format import aligned, number
from analysis.grid import Grid, GridRow, column, spread
from analysis.paper import FIGURE_2, Quantity, original
from analysis.study_data import Study
from analysis.views.base import View
from analysis.warnings import ADVICE, few_seeds
from trainer.verdict import Status

PAPER_WIDTH = 32


def answer(study: Study) -> Answer:
    """Say how many dimensions suffice, as far as the study knows."""
    front, point = study.front.front, recommended(study)
    if not front:
        return _no_front(study)
    if point is not None:
        return Answer(f"On {study.dataset}, {_suffices(point)}.", study.front.how, point)
    many, few = front[0], front[-1]
    headline = (
        f"On {study.dataset}, the front runs from {_gates(many)} dimensions at a squared error of "
        f"{many.error:.3g} per image to {_gates(few)} at {few.error:.3g}."
    )
    return Answer(headline, study.front.how)


def recommended(study: Study) -> FrontPoint | None:
    """Give the point to start from: the knee, or the only point there is."""
    front = study.front
    return front.front[0] if len(front.front) == 1 else front.knee


def _suffices(point: FrontPoint) -> str:
    verb = "suffices" if point.open_gates == 1 else "suffice"
    return (
        f"{_gates(point)} dimensions {verb} for a squared error of {point.error:.3g} per "
        f"held-out image (τ = {point.tau:g})"
    )


def _gates(point: FrontPoint) -> str:
    return f"{point.open_gates} of {point.width}"


def _no_front(study: Study) -> Answer:
    counts = study.trials["status"].value_counts()
    found = ", ".join(f"{count} {status}" for status, count in counts.items())
    if set(counts.index) == {Status.FEASIBLE}:
        advice = "The feasible ones have no finite held-out error: check the held-out images."
    else:
        worst = next(status for status in counts.index if status != Status.FEASIBLE)
        advice = ADVICE[Status(worst)]
    headline = f"No trial on {study.dataset} is feasible yet, so there is no front."
    return Answer(headline, f"Of {len(study.trials)} trials: {found}. {advice}")


def summary(study: Study) -> Grid:
    """Give a row per τ and width, medians over its feasible seeds, and say which are beaten."""

    def beaten(outcome: Outcome) -> str:
        point = study.front.at(outcome.tau, outcome.width)
        return "" if point is None or point.on_front else " (beaten)"

    return as_grid(compute_outcomes(study, takes_part), "are feasible", beaten)


def front_grid(study: Study) -> Grid:
    """Give a row per point of the front."""
    front = study.front
    several = bool((front.points["trials"] > 1).any())
    errors = column([point.error_over_seeds for point in front.front])
    mean = aligned([point.test_sse_mean for point in front.front])
    rows = []
    for point, error in zip(front.front, errors, strict=True):
        cells = [
            number(point.tau),
            str(point.width),
            spread(point.gates_over_seeds),
            error,
            mean(point.test_sse_mean),
            *([f"{point.seeds} of {point.trials}"] if several else []),
            "knee: start here" if point == front.knee else "",
        ]
        rows.append(GridRow(tuple(cells), strong=point == front.knee))
    seeds = ["feasible seeds"] if several else []
    return Grid(
        name="front",
        title="The front",
        columns=("τ", "width", "open gates", "error, sampled", "error, mean", *seeds, " "),
        rows=tuple(rows),
        data=front.points,
        text=frozenset({" "}),
        note="Medians over the feasible seeds (of an even number, the upper of the middle two); "
        "in brackets their range where they differ."
        if several
        else "",
    )


def _record(study: Study) -> dict[str, Any]:
    point = recommended(study)
    return {
        "recommended": None if point is None else vars(point),
        "front": [vars(point) for point in study.front.front],
    }


def _quantities(study: Study) -> list[Quantity]:
    if original(study.dataset) != "mnist":
        return []
    ours = held_gates(study)
    return [
        Quantity("mnist", f"open gates at τ = {tau:g}", gates, ours.get((tau, PAPER_WIDTH)))
        for tau, gates in FIGURE_2.items()
    ]


PARETO = View(
    study="pareto",
    answer=answer,
    summary=summary,
    grids=(front_grid,),
    lead=("front",),
    figures=("reconstructions", "curves"),
    record=_record,
    quantities=_quantities,
    checks=(few_seeds,),
)
