"""The trajectory of one training: error, gates, λ' and hit rate (the paper's Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis import axes
from analysis.answer import Answer, answer_without_trials
from analysis.computed.outcomes import Outcome, compute_outcomes, holds
from analysis.computed.trajectory import Trajectory, compute_trajectories
from analysis.figures import plots
from analysis.figures.curves import choose_trials, curve_figures
from analysis.figures.trajectory import trajectory_figures
from analysis.format import listed, number, statuses
from analysis.grid import Grid, GridRow, column, spread
from analysis.paper import FIGURE_1, PaperValue, compare_with_paper, original
from analysis.seeds import Spread
from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.views.base import View, as_json
from analysis.views.outcome_grid import named, not_held, outcome_grid
from analysis.warnings import compute_warnings

PAPER_WIDTH = 10

MILESTONE_PERCENT = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
"""The shares of the steps that the table of milestones has a row for."""

MILESTONE_MEASURES = ("error", "open_gates", "gate_l1", "lambda", "hit_rate")
"""What this table shows, of `analysis.computed.trajectory.MEASURES`."""


def compute(study: StudyData) -> StudyReport:
    """Compute what is reported of a trajectory."""
    curves = study.ledger.curves_of(study.trials["trial_id"])
    trajectories = compute_trajectories(study.trials, curves)
    outcomes = compute_outcomes(study.trials)
    milestones, outcome_table = milestone_grid(trajectories), outcome_grid(outcomes)
    return StudyReport(
        study=study,
        answer=answer_without_trials(study) or _answer(study, outcomes),
        summary=outcome_table,
        grids=(milestones, outcome_table),
        paper=compare_with_paper(study, _paper_values(study, curves)),
        warnings=compute_warnings(study),
        # The key that programs have read since the first version.
        facts=as_json({"course": milestones.data.to_dict("records")}),
        plots=lambda: plots(
            trajectory=trajectory_figures(trajectories),
            curves=curve_figures(choose_trials(study.trials), curves),
        ),
    )


def _answer(study: StudyData, outcomes: Sequence[Outcome]) -> Answer:
    """Describe how far the gates closed, where τ is held."""
    reason = f"How the trials ended: {statuses(study.trials['status'])}.{study.medians_note}"
    if all(outcome.gates is None for outcome in outcomes):
        return Answer(f"No trial on {study.dataset} came to its end.", reason)
    if not any(outcome.held for outcome in outcomes):
        return Answer(f"No trial on {study.dataset} holds its τ.", reason)
    narrowed = [_narrowed(outcome) for outcome in outcomes if outcome.held and _closes(outcome)]
    others = [outcome for outcome in outcomes if outcome.held and not _closes(outcome)]
    clauses = []
    if narrowed:
        steps = study.trials["steps"].max()
        widths = listed(narrowed, once=" dimensions")
        clauses.append(f"{steps:,} steps narrow the bottleneck {widths}")
    if others:
        clauses.append(f"no gate closed at {named(others, outcomes)}")
    return Answer(f"On {study.dataset}, {'; '.join(clauses)}{not_held(outcomes)}.", reason)


def _closes(outcome: Outcome) -> bool:
    """Return whether a gate closed, with any seed."""
    return outcome.gates is not None and outcome.gates.low < outcome.width


def _narrowed(outcome: Outcome) -> str:
    gates = outcome.gates
    assert gates is not None
    # If only some of the seeds closed a gate, the median alone would say that none did.
    left = number(gates.median) if gates.median < outcome.width else spread(gates)
    return f"from {outcome.width} to {left} dimensions at τ = {outcome.tau:g}"


def milestone_grid(trajectories: Sequence[Trajectory]) -> Grid:
    """Return the four quantities at shares of the steps; τ and width too, if there are several."""
    stops = [(each, step) for each in trajectories for step in _milestones(each)]
    measured = {
        name: [trajectory.at(step, name) for trajectory, step in stops]
        for name in MILESTONE_MEASURES
    }
    several = len(trajectories) > 1
    experiments = [axes.cells(vars(each)) if several else () for each, _ in stops]
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
        name="milestones",
        title="Milestones",
        columns=(
            *(axes.HEADINGS if several else ()),
            "step",
            "error",
            "open gates",
            "Σσ(kγ)",
            "λ'",
            "% within τ",
        ),
        rows=tuple(
            GridRow(experiment + row) for experiment, row in zip(experiments, cells, strict=True)
        ),
        data=pd.DataFrame([_record(trajectory, step) for trajectory, step in stops]),
        note="Error: its moving average. Σσ(kγ): the gates, each between 0 (closed) and 1 (open). "
        "Within τ: of the images of this step. With several seeds: the median and, in brackets, "
        "their range.",
    )


def _milestones(trajectory: Trajectory) -> list[int]:
    last = int(trajectory.median.index[-1])
    sampled = (trajectory.last_sample(percent * last / 100) for percent in MILESTONE_PERCENT)
    return [step for step in dict.fromkeys(sampled) if step is not None]


def _record(trajectory: Trajectory, step: int) -> dict[str, Any]:
    record: dict[str, Any] = {name: getattr(trajectory, name) for name in axes.COLUMNS}
    record["step"] = step
    for name in MILESTONE_MEASURES:
        record |= trajectory.at(step, name).columns(name)
    return record


def _paper_values(study: StudyData, curves: Mapping[str, pa.Table]) -> list[PaperValue]:
    if original(study.dataset) != "dsprites":
        return []
    trials = study.trials[study.trials["width"] == PAPER_WIDTH]
    held = compute_trajectories(trials[holds(trials)], curves)
    by_tau = {trajectory.tau: trajectory for trajectory in held}
    return [
        PaperValue(
            study.dataset,
            f"open gates after {step:,} steps (τ = {tau:g})",
            gates,
            _gates_after(step, by_tau.get(tau)),
        )
        for tau in sorted(set(trials["tau"]))
        for step, gates in FIGURE_1.items()
    ]


def _gates_after(step: int, trajectory: Trajectory | None) -> Spread | None:
    sampled = None if trajectory is None else trajectory.last_sample(step)
    return None if trajectory is None or sampled is None else trajectory.at(sampled, "open_gates")


TRAJECTORY = View(study="trajectory", compute=compute)
