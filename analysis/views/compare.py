"""What different τ leave of the same images (the paper's Figure 3)."""

from __future__ import annotations

from typing import Any

from analysis.answer import Answer
from analysis.paper import FIGURE_3, Quantity, original
from analysis.statistics import Spread
from analysis.study import Study
from analysis.views.base import View
from analysis.views.pareto import gates_at, outcomes
from analysis.words import listed, number


def answer(study: Study) -> Answer:
    """Say how many dimensions each τ keeps."""
    kept = []
    for tau, trials in study.trials.groupby("tau"):
        gates = Spread.of(trials["open_gates"])
        if gates is not None:
            kept.append(f"{number(gates.median)} dimensions at τ = {tau:g}")
    headline = f"On {study.dataset}, training keeps {listed(kept) if kept else 'nothing'}."
    return Answer(
        headline,
        "The picture shows the same held-out images as they were, and as each model gives them "
        "back from the means of its open dimensions.",
    )


def _facts(study: Study) -> dict[str, Any]:
    columns = ["tau", "width", "seed", "status", "open_gates", "test_sse_sampled", "test_sse_mean"]
    return {"trials": study.trials[columns].to_dict("records")}


def _quantities(study: Study) -> list[Quantity]:
    if original(study.dataset) != "dsprites":
        return []
    return [
        Quantity(study.dataset, f"open gates at τ = {tau:g}", gates, gates_at(study.trials, tau))
        for tau, gates in FIGURE_3.items()
    ]


COMPARE = View(
    study="compare",
    answer=answer,
    summary=outcomes,
    grids=(outcomes,),
    lead=("comparison",),
    figures=("curves",),
    facts=_facts,
    quantities=_quantities,
)
