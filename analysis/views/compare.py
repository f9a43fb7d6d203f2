"""The same images as models of different τ reconstruct them (the paper's Figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis import axes
from analysis.answer import Answer, answer_without_trials
from analysis.computed.outcomes import Outcome, compute_outcomes, held_gates
from analysis.figures import Plot, plots
from analysis.figures.comparison import compute_comparison
from analysis.figures.curves import choose_trials, curve_figures
from analysis.format import listed, number
from analysis.paper import FIGURE_3, PaperValue, compare_with_paper, original
from analysis.seeds import Spread
from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.views.base import View, as_json
from analysis.views.outcome_grid import not_held, outcome_grid
from analysis.warnings import compute_warnings


def compute(study: StudyData) -> StudyReport:
    """Compute what is reported of a comparison."""
    outcomes = compute_outcomes(study.trials)
    grid = outcome_grid(outcomes)
    return StudyReport(
        study=study,
        answer=answer_without_trials(study) or _answer(study, outcomes),
        summary=grid,
        grids=(grid,),
        paper=compare_with_paper(study, _paper_values(study, held_gates(outcomes))),
        warnings=compute_warnings(study),
        facts=as_json(_facts(study)),
        plots=lambda: _plots(study, outcomes),
    )


def _answer(study: StudyData, outcomes: Sequence[Outcome]) -> Answer:
    """Describe how many dimensions each τ keeps."""
    kept = [
        f"{number(outcome.gates.median)} of {outcome.width} dimensions at τ = {outcome.tau:g}"
        for outcome in outcomes
        if outcome.held and outcome.gates is not None
    ]
    if not kept:
        return Answer(
            f"No trial on {study.dataset} holds its τ.",
            "Raise τ (--taus) or train longer (--steps); the warnings say what became of each.",
        )
    kept_words = listed(kept, once=" dimensions")
    return Answer(
        f"On {study.dataset}, training keeps {kept_words}{not_held(outcomes)}.",
        "The picture shows the same held-out images as they were, and as each model gives them "
        f"back from the means of its open dimensions.{study.medians_note}",
    )


def _facts(study: StudyData) -> dict[str, Any]:
    measured = ["status", "open_gates", "test_sse_sampled", "test_sse_mean"]
    columns = [*axes.COLUMNS, "seed", *measured]
    return {"trials": study.trials[columns].to_dict("records")}


def _paper_values(
    study: StudyData, gates_here: Mapping[axes.Key, Spread | None]
) -> list[PaperValue]:
    if original(study.dataset) != "dsprites":
        return []
    return [  # for each width, as the paper does not give its own
        PaperValue(
            study.dataset,
            f"open gates at τ = {tau:g}, from {width} dimensions",
            gates,
            gates_here.get((tau, width)),
        )
        for width in sorted({width for _, width in gates_here})
        for tau, gates in FIGURE_3.items()
    ]


def _plots(study: StudyData, outcomes: Sequence[Outcome]) -> tuple[Plot, ...]:
    comparison = compute_comparison(study.ledger, outcomes)
    drawn = choose_trials(study.trials)
    return plots(
        comparison={} if comparison is None else {"comparison": comparison},
        curves=curve_figures(drawn, study.ledger.curves_of(drawn["trial_id"])),
    )


COMPARE = View(study="compare", compute=compute)
