"""What different τ leave of the same images (the paper's Figure 3)."""

from __future__ import annotations

from typing import Any

from analysis.answer import Answer
from analysis.computed.outcomes import compute_outcomes, held_gates, not_held, outcomes
from analysis.format import listed, number
from analysis.paper import FIGURE_3, Quantity, original
from analysis.study_data import Study
from analysis.views.base import View


def answer(study: Study) -> Answer:
    """Say how many dimensions each τ keeps."""
    found = compute_outcomes(study)
    kept = [
        f"{number(outcome.gates.median)} of {outcome.width} dimensions at τ = {outcome.tau:g}"
        for outcome in found
        if outcome.held and outcome.gates is not None
    ]
    if not kept:
        return Answer(
            f"No trial on {study.dataset} holds its τ.",
            "Raise τ (--taus) or train longer (--steps); the warnings say what became of each.",
        )
    return Answer(
        f"On {study.dataset}, training keeps {listed(kept, once=' dimensions')}{not_held(found)}.",
        "The picture shows the same held-out images as they were, and as each model gives them "
        f"back from the means of its open dimensions.{study.medians}",
    )


def _record(study: Study) -> dict[str, Any]:
    columns = ["tau", "width", "seed", "status", "open_gates", "test_sse_sampled", "test_sse_mean"]
    return {"trials": study.trials[columns].to_dict("records")}


def _quantities(study: Study) -> list[Quantity]:
    if original(study.dataset) != "dsprites":
        return []
    ours = held_gates(study)
    return [  # for each width, as the paper does not give its own
        Quantity(
            study.dataset,
            f"open gates at τ = {tau:g}, from {width} dimensions",
            gates,
            ours.get((tau, width)),
        )
        for width in sorted({width for _, width in ours})
        for tau, gates in FIGURE_3.items()
    ]


COMPARE = View(
    study="compare",
    answer=answer,
    summary=outcomes,
    grids=(outcomes,),
    lead=("comparison",),
    figures=("curves",),
    record=_record,
    quantities=_quantities,
)
