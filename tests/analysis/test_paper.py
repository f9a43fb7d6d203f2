"""Comparisons with the paper: the numbers, and what else differs."""

import dataclasses
import math

import pytest

from analysis import StudyData, compute_report
from analysis.paper import (
    FIGURE_1,
    FIGURE_2,
    FIGURE_3,
    STEPS,
    TABLE_1,
    PaperValue,
    deviations,
    paper_comparison,
)
from analysis.seeds import Spread
from sweeper.studies import compression, trajectory
from trainer import data
from trainer.verdict import Status

PAPER_SETTING = {
    "dataset_sha256": "ab" * 32,
    "architecture": "conv64",
    "layers": [32, 32, 64, 64],
    "objective": "geco-l0-arm",
    "steps": 50_000,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "k": 7.0,
    "alpha": 0.99,
    "lambda_init": 1.0,
    "lambda_min": 1e-5,
    "lambda_max": 5.0,
    "gate_init": 0.42,
    "tolerance": 0.03,
}


@pytest.mark.parametrize(
    ("dataset", "size", "error", "gates"),
    [
        ("dsprites", 5, 9.48, (7, 6, 6)),
        ("dsprites", 30, 6.14, (13, 12, 10)),
        ("cars3d", 10, 65.67, (14, 13, 12)),
        ("shapes3d", 30, 18.74, (20, 15, 11)),
        ("mnist", 10, 9.49, (10, 9, 9)),
        ("cifar-100", 5, 325.87, (6, 6, 6)),
        ("cifar-100", 30, 147.8, (31, 30, 30)),
    ],
)
def test_table_1_is_as_in_the_paper(dataset, size, error, gates):
    assert TABLE_1[dataset][size] == (error, gates)


def test_table_1_is_complete_and_monotone():
    assert [list(lines) for lines in TABLE_1.values()] == [[5, 10, 30]] * 5
    for lines in TABLE_1.values():
        errors = [line.error for line in lines.values()]
        assert errors == sorted(errors, reverse=True)  # more dimensions reach a smaller error
        for size, line in lines.items():
            assert list(line.gates) == sorted(line.gates, reverse=True)
            assert max(line.gates) <= 2 * size


def test_the_figures_and_budgets_are_as_in_the_paper():
    assert FIGURE_1 == {10_000: 9, 20_000: 6, 25_000: 5}
    assert (FIGURE_2[3.0], FIGURE_2[30.0]) == (27, 2)
    assert (FIGURE_3[20.0], FIGURE_3[35.0]) == (5, 3)
    assert STEPS["pareto"] == 2000 * 60_000 / 64


def test_the_studies_have_the_papers_budgets_and_sizes():
    assert {
        "trajectory": trajectory.PAPER_STEPS,
        "pareto": data.DATASETS.find("mnist").budgets["paper"],
        "compression": compression.PAPER_STEPS,
    } == STEPS
    assert all(tuple(lines) == compression.PAPER_SIZES for lines in TABLE_1.values())


def test_a_row_has_the_papers_number_ours_and_the_difference():
    grid = paper_comparison(
        [
            PaperValue("mnist", "open gates", 10, Spread(8, 7, 9, 3)),
            PaperValue("mnist", "error", 325.87, Spread(327.124, 327.124, 327.124, 1)),
            PaperValue("mnist", "nearly the same", 9.49, Spread(9.488, 9.3, 9.5, 2)),
            PaperValue("mnist", "the same", 5, Spread(5, 5, 5, 2)),
        ]
    )
    assert [row.cells for row in grid.rows] == [
        ("mnist", "open gates", "10", "8 (7–9)", "−2", "3"),
        ("mnist", "error", "325.87", "327.12", "+1.25", "1"),
        ("mnist", "nearly the same", "9.49", "9.49 (9.30–9.50)", "0.00", "2"),
        ("mnist", "the same", "5", "5", "0", "2"),
    ]
    assert grid.data["difference"].tolist() == pytest.approx([-2, 1.254, -0.002, 0])
    assert grid.data["here_min"].tolist() == [7, 327.124, 9.3, 5]


def test_what_was_not_measured_is_blank():
    grid = paper_comparison([PaperValue("mnist", "open gates", 10, None)])
    assert grid.rows[0].cells == ("mnist", "open gates", "10", "", "", "")
    assert grid.data["difference"].isna().all()
    assert grid.data["seeds"].tolist() == [0]


@pytest.fixture
def differing(study_of, trial):
    """Computes the deviations of a study with these settings by data set."""

    def compute(study="trajectory", **settings):
        return deviations(StudyData.read(study_of([trial()], study=study, settings=settings)))

    return compute


def test_with_the_papers_settings_only_what_it_leaves_open_is_listed(differing):
    assert differing(dsprites=PAPER_SETTING) == [
        "dsprites: some images are held out and not trained on; the paper names no split",
        "dsprites: τ as asked for; the paper does not say which it took",
        "dsprites: channels 32, 32, 64, 64; the paper does not give its own",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 10_000}, "10,000 steps, the paper 50,000 (20 %)"),
        ({"steps": 100_000}, "100,000 steps, the paper 50,000 (200 %)"),
        (
            {"architecture": "dense", "layers": [128, 64]},
            "network dense (128, 64), the paper's is conv64",
        ),
        ({"learning_rate": 0.003}, "learning rate 0.003, the paper 0.001"),
        ({"batch_size": 32}, "batch size 32, the paper 64"),
        ({"lambda_max": 50.0}, "lambda max 50, the paper 5"),
        ({"objective": "geco"}, "objective geco, the paper's is geco-l0-arm"),
    ],
)
def test_each_deviation_is_listed(differing, changes, said):
    before = differing(dsprites=PAPER_SETTING)
    after = differing(dsprites=PAPER_SETTING | changes)
    assert f"dsprites: {said}" in after
    assert f"dsprites: {said}" not in before
    assert len(set(after) - set(before)) == 1


def test_a_data_set_that_was_drawn_here_is_listed(differing):
    assert "sprites: drawn from the factors of dsprites, not its original images" in differing(
        sprites=PAPER_SETTING
    )


def test_each_study_has_its_own_budget_and_each_data_set_its_own_network(differing):
    mnist = PAPER_SETTING | {"architecture": "conv28", "layers": [32, 64, 128], "steps": 200_000}
    assert differing("compression", mnist=mnist) == [
        "mnist: channels 32, 64, 128; the paper does not give its own"
    ]
    assert "mnist: 200,000 steps, the paper 1,875,000 (10.7 %)" in differing("pareto", mnist=mnist)
    assert "mnist: 200,000 steps; the paper does not say how many it took" in differing(
        "compare", mnist=mnist
    )


def test_a_baseline_without_gates_is_not_a_deviation(differing):
    setting = PAPER_SETTING | {"objective": "geco", "steps": 200_000}
    assert not [text for text in differing("compression", cars3d=setting) if "objective" in text]


@pytest.mark.parametrize("dataset", ["sprites", "dsprites", "shapes3d", "cars3d"])
def test_held_out_images_are_a_deviation_where_the_paper_has_no_split(differing, dataset):
    (said,) = [text for text in differing(**{dataset: PAPER_SETTING}) if "held out" in text]
    assert said.startswith(f"{dataset}: some images are held out and not trained on")


def test_deviations_of_several_data_sets_are_merged(differing):
    setting = PAPER_SETTING | {"steps": 100_000}
    mnist = setting | {"architecture": "conv28"}
    assert differing("compression", cars3d=setting, shapes3d=setting, mnist=mnist) == [
        "cars3d and shapes3d: some images are held out and not trained on; the paper names no "
        "split",
        "cars3d, shapes3d and mnist: 100,000 steps, the paper 200,000 (50 %)",
        "cars3d, shapes3d and mnist: channels 32, 32, 64, 64; the paper does not give its own",
    ]


def test_deviations_of_data_sets_that_the_paper_lacks_are_not_listed(differing):
    both = differing("compression", digits=PAPER_SETTING, mnist=PAPER_SETTING)
    assert both
    assert all(text.startswith("mnist: ") for text in both)
    assert differing("compression", digits=PAPER_SETTING) == []


def compared(ledger):
    """The paper's number by quantity, with ours: median, range, seeds."""
    paper = compute_report(StudyData.read(ledger)).paper
    rows = [] if paper is None else paper.grid.data.to_dict("records")
    return {row["quantity"]: (row["paper"], _spread(row)) for row in rows}


def _spread(row):
    if row["seeds"] == 0:
        assert math.isnan(row["here"])
        return None
    return Spread(row["here"], row["here_min"], row["here_max"], row["seeds"])


@pytest.mark.parametrize("study", ["pareto", "trajectory", "compare", "compression"])
def test_digits_are_not_compared(study_of, trial, pair, study):
    assert compared(study_of([trial(), *pair()], study=study)) == {}


def test_a_front_is_compared_at_its_ends_by_trials_of_32_dimensions_that_hold_tau(study_of, trial):
    asked = [
        trial(3.0, 0, 32, dataset="mnist", open_gates=25),
        trial(3.0, 1, 32, dataset="mnist", open_gates=28, status=Status.UNSETTLED),
        trial(3.0, 2, 32, dataset="mnist", open_gates=32, status=Status.INFEASIBLE),
        trial(30.0, 0, 16, dataset="mnist", open_gates=3),
    ]
    found = compared(study_of(asked, study="pareto"))
    assert found == {
        "open gates at τ = 3": (27, Spread(28, 25, 28, 2)),
        "open gates at τ = 30": (2, None),
    }


def test_a_trajectory_is_compared_at_the_steps_of_figure_1(study_of, trial, curve_of):
    def narrowing(seed):
        curve = curve_of(25.0, 10, 4, steps=24_000, samples=240).to_pandas()
        curve["open_gates"] = 10 - curve["step"] // (4000 + 1000 * seed)
        table = trial().curves.from_pandas(
            curve, schema=trial().curves.schema, preserve_index=False
        )
        return trial(25.0, seed, 10, dataset="sprites", steps=24_000, curves=table)

    found = compared(study_of([narrowing(seed) for seed in range(3)], study="trajectory"))
    assert found == {
        "open gates after 10,000 steps (τ = 25)": (9, Spread(8, 8, 9, 3)),
        "open gates after 20,000 steps (τ = 25)": (6, Spread(6, 5, 7, 3)),
        "open gates after 25,000 steps (τ = 25)": (5, None),
    }


def test_a_trajectory_is_compared_by_seeds_that_hold_tau(study_of, trial):
    def ended(tau, seed, gates, **changes):
        return trial(tau, seed, 10, dataset="sprites", steps=8000, open_gates=gates, **changes)

    asked = [
        ended(20.0, 0, 6),
        ended(20.0, 1, 2, status=Status.INFEASIBLE),
        ended(35.0, 0, 3, status=Status.INFEASIBLE),
        trial(25.0, width=16, dataset="sprites"),
    ]
    long = [
        dataclasses.replace(record, curves=stretched(record.curves, 30_000 / 8000))
        for record in asked
    ]
    found = compared(study_of(long, study="trajectory"))
    assert len(found) == 6  # no row for the width that is not the paper's
    assert found["open gates after 25,000 steps (τ = 20)"] == (5, Spread(6, 6, 6, 1))
    assert found["open gates after 25,000 steps (τ = 35)"] == (5, None)


def stretched(curve, factor):
    table = curve.to_pandas()
    table["step"] = (table["step"] * factor).astype(int)
    return curve.from_pandas(table, schema=curve.schema, preserve_index=False)


def test_a_comparison_has_a_row_for_each_width_and_tau_of_figure_3(study_of, trial):
    asked = [
        trial(20.0, 0, 10, dataset="sprites", open_gates=6),
        trial(20.0, 0, 16, dataset="sprites", open_gates=8),
        trial(35.0, 0, 10, dataset="sprites", open_gates=3, status=Status.INFEASIBLE),
        trial(35.0, 0, 16, dataset="sprites", open_gates=4, status=Status.UNSETTLED),
    ]
    assert compared(study_of(asked, study="compare")) == {
        "open gates at τ = 20, from 10 dimensions": (5, Spread(6, 6, 6, 1)),
        "open gates at τ = 25, from 10 dimensions": (5, None),
        "open gates at τ = 35, from 10 dimensions": (3, None),
        "open gates at τ = 20, from 16 dimensions": (5, Spread(8, 8, 8, 1)),
        "open gates at τ = 25, from 16 dimensions": (5, None),
        "open gates at τ = 35, from 16 dimensions": (3, Spread(4, 4, 4, 1)),
    }


def test_compression_is_compared_by_readings_that_held_tau(study_of, pair):
    def above(gates, error):
        curve = pair(10, gates=gates)[1].curves
        table = curve.to_pandas()
        table.loc[table["step"] > 5000, "constraint_ma"] = error
        return curve.from_pandas(table, schema=curve.schema, preserve_index=False)

    asked = [
        *pair(10, 0, error=9.0, gates=11, dataset="mnist", curves=above(11, -0.1)),
        *pair(10, 1, error=9.5, gates=5, dataset="mnist", curves=above(5, 3.0)),
    ]
    found = compared(study_of(asked))
    assert found["error, n = 10"] == (9.49, Spread(9.5, 9.0, 9.5, 2))
    assert found["open gates at 1×, n = 10"][1].count == 2
    assert found["open gates at 2×, n = 10"] == (9, Spread(11, 11, 11, 1))


def test_compression_is_compared_line_by_line(study_of, pair):
    asked = [*pair(10, error=9.0, gates=11, dataset="mnist"), *pair(4, dataset="mnist")]
    found = compared(study_of(asked))
    assert found["error, n = 10"] == (9.49, Spread(9.0, 9.0, 9.0, 1))
    assert found["open gates at 2×, n = 10"] == (9, Spread(11, 11, 11, 1))
    assert len(found) == 4  # the paper has no n = 4
