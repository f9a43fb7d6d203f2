"""Contracts that every row of VIEWS keeps, whatever state a study is in; then what each says."""

import functools
import json
import math
from pathlib import Path
from typing import NamedTuple

import pytest

from analysis import StudyData, StudyReport, compute_report, write_report
from analysis.figures import FIGURES
from analysis.views import VIEWS
from sweeper.studies import STUDIES
from trainer.verdict import Status

STATES = ("empty", "failed", "diverged", "infeasible", "bare", "waiting", "whole")


class Written(NamedTuple):
    """A report, and its page."""

    report: StudyReport
    page: str


@pytest.fixture(scope="session")
def states(trial, failed, diverged, pair):
    """The trials of a study by its state, one of `STATES`."""
    baseline, gated = pair(3, error=1.25)
    spec = {"objective": "geco", "steps": 4000}
    bare = {"curves": None}  # of most, since drawing them takes time
    return {
        "empty": [],
        "failed": [failed(0, width=3, **spec), failed(1.0), failed(1.5, 1)],
        "diverged": [diverged(0, width=3, **spec), diverged(1.0), diverged(1.5, 1)],
        "infeasible": [
            *pair(3, status=Status.INFEASIBLE),
            trial(1.0, status=Status.INFEASIBLE, test_sse_sampled=math.inf, **bare),
        ],
        "bare": [*pair(3, curves=None, samples=None), trial(1.0, curves=None, samples=None)],
        "waiting": [baseline],
        "whole": [
            baseline,
            gated,
            trial(1.0, **bare),
            trial(1.0, 1, samples=None, **bare),
            trial(2.0, **bare),
            failed(1.5, 2),
        ],
    }


@pytest.fixture(scope="session")
def written(states, study_of):
    """Writes the report of a study of a kind, in a state; each once a session."""

    @functools.cache
    def write(kind, state):
        waiting = ["a gated trial"] if state == "waiting" else []
        ledger = study_of(states[state], study=kind, waiting=waiting)
        report = compute_report(StudyData.read(ledger))
        return Written(report, Path(write_report(report)).read_text(encoding="utf-8"))

    return write


def test_every_study_that_can_be_run_has_a_view():
    assert list(VIEWS) == list(STUDIES)
    for name, view in VIEWS.items():
        assert view.study == name


def test_every_figure_is_shown_by_a_study_once(written):
    shown = {kind: written(kind, "whole").report.plots() for kind in VIEWS}
    assert {plot.name for plots in shown.values() for plot in plots} == set(FIGURES)
    for plots in shown.values():
        stems = [plot.stem for plot in plots]
        assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", VIEWS)
def test_in_every_state_there_is_an_answer_a_table_and_facts(kind, state, written):
    report = written(kind, state).report
    assert report.answer.headline.endswith(".")
    assert report.answer.reason.endswith(".")
    assert "nan" not in report.answer.headline + report.answer.reason
    assert json.loads(json.dumps(report.facts, allow_nan=False)) == report.facts
    for grid in (report.summary, *report.tables):
        assert grid.text <= set(grid.columns)
        for row in grid.rows:
            assert len(row.cells) == len(grid.columns)
            assert all(isinstance(cell, str) and "nan" not in cell for cell in row.cells)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", VIEWS)
def test_in_every_state_there_is_a_page(kind, state, written):
    report, page = written(kind, state)
    assert report.answer.headline.split(" = ")[0] in page
    assert ">nan<" not in page


@pytest.fixture
def answer_of(study_of):
    """Computes the answer of a study of these trials."""

    def compute(kind, records, **manifest):
        study = StudyData.read(study_of(records, study=kind, **manifest))
        return compute_report(study).answer

    return compute


@pytest.fixture
def missing(curve_of):
    """Makes the curve of a gated trial of 2n dimensions that loses τ just before its end."""

    def make(size, gates):
        curve = curve_of(1.25, 2 * size, gates)
        above = curve["constraint_ma"].to_pylist()
        above[-1] = 9.0
        place = curve.schema.names.index("constraint_ma")
        return curve.set_column(place, curve.schema.field(place), [above])

    return make


def test_a_trajectory_says_how_far_the_gates_closed(answer_of, trial, diverged):
    answer = answer_of("trajectory", [trial(1.5)])
    assert answer.headline == (
        "On digits, 8,000 steps narrow the bottleneck from 16 to 4 dimensions at τ = 1.5."
    )
    assert answer.reason == "How the trials ended: feasible."
    asked = [trial(1.5, seed, open_gates=4 + seed) for seed in range(3)]
    asked += [trial(2.5, width=32, status=Status.UNSETTLED), diverged(3.0)]
    answer = answer_of("trajectory", asked)
    assert answer.headline == (
        "On digits, 8,000 steps narrow the bottleneck from 16 to 5 dimensions at τ = 1.5 and from "
        "32 to 2 at τ = 2.5; τ = 3 from 16 dimensions is not held."
    )
    assert "3 feasible, 1 unsettled, 1 diverged" in answer.reason
    assert "medians" in answer.reason


def test_a_trajectory_counts_only_trials_that_hold_tau(answer_of, trial):
    lost = [trial(0.2, seed, open_gates=2, status=Status.INFEASIBLE) for seed in (0, 1)]
    assert answer_of("trajectory", lost).headline == "No trial on digits holds its τ."
    whole = trial(0.5, open_gates=16)
    answer = answer_of("trajectory", [*lost, whole])
    assert answer.headline == "On digits, no gate closed at τ = 0.5; τ = 0.2 is not held."
    mixed = [whole, trial(1.5), trial(1.5, 1, open_gates=1, status=Status.INFEASIBLE)]
    assert answer_of("trajectory", mixed).headline == (
        "On digits, 8,000 steps narrow the bottleneck from 16 to 4 dimensions at τ = 1.5; no gate "
        "closed at τ = 0.5."
    )
    one_of_two = [whole, trial(0.5, 1, open_gates=15)]
    assert "from 16 to 16 (15–16) dimensions" in answer_of("trajectory", one_of_two).headline


def test_a_trajectory_without_a_finished_trial_says_so(answer_of, failed):
    assert answer_of("trajectory", [failed()]).headline == "No trial on digits came to its end."


def test_a_comparison_says_how_many_dimensions_each_held_tau_keeps(answer_of, trial):
    kept = {1.0: 6, 2.0: 3}
    asked = [trial(tau, seed, open_gates=gates) for tau, gates in kept.items() for seed in (0, 1)]
    asked.append(trial(2.0, 2, open_gates=16, status=Status.INFEASIBLE))
    asked.append(trial(0.1, open_gates=16, status=Status.INFEASIBLE))
    assert answer_of("compare", asked).headline == (
        "On digits, training keeps 6 of 16 dimensions at τ = 1 and 3 of 16 at τ = 2; τ = 0.1 is "
        "not held."
    )


def test_a_comparison_that_holds_no_tau_says_what_to_try(answer_of, trial):
    answer = answer_of("compare", [trial(0.1, status=Status.INFEASIBLE)])
    assert answer.headline == "No trial on digits holds its τ."
    assert "Raise τ" in answer.reason


def test_compression_names_few_sizes_and_counts_many(answer_of, pair):
    answer = answer_of("compression", [*pair(3, gates=4), *pair(6, error=0.7, gates=7)])
    assert answer.headline == (
        "On digits, training keeps 4 of 6 dimensions where 3 would do and 7 of 12 where 6 would do."
    )
    left = {2: 3, 3: 5, 4: 7, 5: 2, 6: 8}  # 4 and 5 are not within 2 of theirs
    many = [pair(n, error=8.0 / n, gates=gates) for n, gates in left.items()]
    answer = answer_of("compression", [record for records in many for record in records])
    assert answer.headline == (
        "In 3 of 5 cases, training narrows 2n dimensions to n, give or take 2."
    )
    both = [*pair(3, gates=4), *pair(3, gates=4, dataset="tiles")]
    assert answer_of("compression", both).headline.startswith("In each of 2 cases")
    started = [*pair(3, gates=4), pair(3, dataset="tiles")[0]]
    assert answer_of("compression", started).headline == (
        "On digits, training keeps 4 of 6 dimensions where 3 would do."
    )


def test_only_lines_that_held_tau_and_closed_gates_count_as_close(answer_of, pair, missing):
    everything_open = [*pair(2, gates=4), *pair(2, gates=4, dataset="tiles")]
    answer = answer_of("compression", everything_open)
    assert answer.headline.startswith("In none of 2 cases")
    lost = pair(3, gates=3, curves=missing(3, 3), status=Status.INFEASIBLE)
    answer = answer_of("compression", [*lost, *pair(3, gates=4, dataset="tiles")])
    assert answer.headline.startswith("In 1 of 2 cases")
    seeds = [*lost, *pair(3, 1, gates=5), *pair(3, gates=4, dataset="tiles")]
    assert answer_of("compression", seeds).headline.startswith("In each of 2 cases")


def test_compression_says_which_lines_do_not_hold_the_error(answer_of, pair, missing):
    lost = pair(6, error=0.7, gates=1, curves=missing(6, 1), status=Status.INFEASIBLE)
    answer = answer_of("compression", lost)
    assert answer.headline == "On digits, no trial with gates holds the error of its baseline."
    assert answer_of("compression", [*pair(3, gates=4), *lost]).headline == (
        "On digits, training keeps 4 of 6 dimensions where 3 would do; from 12 dimensions, the "
        "baseline's error is not held."
    )


def test_a_reading_that_did_not_hold_tau_has_an_asterisk(study_of, pair, missing):
    def rows(*pairs):
        ledger = study_of([record for records in pairs for record in records])
        grid = compute_report(StudyData.read(ledger)).summary
        assert ("*: τ was not held" in grid.note) == any("*" in str(row.cells) for row in grid.rows)
        return [row.cells[3:6] for row in grid.rows]

    held = pair(3, gates=4)
    lost = pair(3, 1, error=1.3, gates=4, curves=missing(3, 4))
    assert rows(held) == [("5", "4", "4")]
    assert rows(lost) == [("5", "4", "4*")]
    assert rows(held, lost) == [("5", "4", "4*")]


def test_compression_says_how_many_did_not_hold_the_error(answer_of, pair):
    lost = pair(3, 1, error=1.3, gates=2, status=Status.INFEASIBLE)
    answer = answer_of("compression", [*pair(3), *lost])
    assert "1 of the 2 did not hold it at the end." in answer.reason
    assert "too much" not in answer.reason
    assert "did not hold" not in answer_of("compression", pair(3)).reason


def test_compression_without_a_finished_gated_trial_says_what_there_is(answer_of, pair, diverged):
    baselines = [pair(3)[0], diverged(0, width=4, objective="geco", steps=4000)]
    answer = answer_of("compression", baselines, waiting=["a gated trial"])
    assert answer.headline == "No trial with gates on digits has come to its end."
    assert "1 waiting, 1 baseline diverged" in answer.reason


def test_the_table_of_compression_is_blank_without_a_reading(study_of, pair):
    curve = pair(6)[1].curves.slice(0, 120)  # up to step 4800 of 8000, of a baseline of 4000
    asked = [*pair(3, gates=4), *pair(6, error=0.7, curves=curve, status=Status.DIVERGED)]
    report = compute_report(StudyData.read(study_of(asked)))
    whole, part = report.summary.rows
    assert whole.cells[3:6] == ("5", "4", "4")  # at 4000 of 8000 steps Σσ(kγ) is 4.8
    assert part.cells[3] != ""
    assert part.cells[4:6] == ("", "")
    assert part.faint
    assert not whole.faint
    assert [row["gates"][2] for row in report.facts["pairs"]] == [4, None]


@pytest.mark.parametrize("study", ["pareto", "trajectory", "compare"])
def test_the_results_by_tau_are_the_same_in_all_studies(study_of, trial, study):
    asked = [
        trial(0.2, open_gates=16, status=Status.INFEASIBLE),
        trial(1.0, 0, open_gates=6),
        trial(1.0, 1, open_gates=8, status=Status.UNSETTLED),
        trial(2.0, open_gates=6),
    ]
    grid = compute_report(StudyData.read(study_of(asked, study=study))).summary
    assert grid.title == "Results by τ"
    assert grid.columns == ("τ", "width", "open gates", "held-out sse", "seeds", "status")
    front = study == "pareto"  # of which only feasible trials are points
    assert [row.cells for row in grid.rows] == [
        ("0.2", "16", "16", "0.20", "1", "infeasible"),
        ("1", "16", "6" if front else "8 (6–8)", "0.98", "2", "1 feasible, 1 unsettled"),
        ("2", "16", "6", "1.96", "1", "feasible (beaten)" if front else "feasible"),
    ]
    assert [row.faint for row in grid.rows] == [True, False, False]


def test_milestones_are_at_shares_of_the_steps(study_of, trial, curve_of):
    curve = curve_of(2.0, 16, 0, steps=8000, samples=80).to_pandas()
    curve["open_gates"] = 16 - curve["step"] // 500
    curve["constraint_ma"] = curve["step"] / 1e4
    curves = [
        trial().curves.from_pandas(
            curve.assign(open_gates=curve["open_gates"] + seed),
            schema=trial().curves.schema,
            preserve_index=False,
        )
        for seed in range(3)
    ]
    asked = [trial(2.0, seed, curves=curve) for seed, curve in enumerate(curves)]
    grid = compute_report(StudyData.read(study_of(asked, study="trajectory"))).grids[0]
    rows = {row.cells[0]: row.cells[1:3] for row in grid.rows}
    assert list(rows) == [f"{40 * percent * 2:,}" for percent in (5, *range(10, 101, 10))]
    assert rows["4,000"] == ("2.40", "9 (8–10)")
    assert rows["8,000"] == ("2.80", "1 (0–2)")
    table = grid.data.set_index("step")
    names = ["open_gates_min", "open_gates", "open_gates_max"]
    assert table.loc[4000, names].tolist() == [8, 9, 10]


def test_facts_hold_what_was_measured(study_of, trial, failed):
    ledger = study_of([trial(1.0), trial(1.5), failed(2.0)], study="compare")
    first, *_, last = compute_report(StudyData.read(ledger)).facts["trials"]
    assert (first["tau"], first["open_gates"], first["status"]) == (1.0, 6, "feasible")
    assert (last["tau"], last["open_gates"], last["test_sse_mean"]) == (2.0, None, None)
