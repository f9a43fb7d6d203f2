"""Contracts that every row of FIGURES keeps, then the data of each figure."""

import dataclasses
import functools
import math
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from analysis import StudyData, compute_front, compute_report
from analysis.computed.outcomes import compute_outcomes
from analysis.figures import FIGURES, render
from analysis.figures.comparison import compute_comparison
from analysis.figures.curves import MAX_SAMPLES, compute_curves, sse_limit
from analysis.figures.reconstructions import choose, compute_reconstructions
from analysis.views import VIEWS
from trainer.verdict import Status

SHOWN_BY = {
    "front": "pareto",
    "reconstructions": "pareto",
    "trajectory": "trajectory",
    "comparison": "compare",
    "compression": "compression",
    "curves": "pareto",
}
"""A study that shows each figure."""


def figures(study, name):
    """The data of a study's figures of this name, by file name."""
    manifest = dataclasses.replace(study.manifest, study=SHOWN_BY[name])
    plots = compute_report(dataclasses.replace(study, manifest=manifest)).plots()
    return {plot.stem: plot.data for plot in plots if plot.name == name}


def figure(study, name):
    (data,) = figures(study, name).values()
    return data


def front_of(study):
    return compute_front(study.trials)


def reconstructions_of(study):
    return compute_reconstructions(study.ledger, front_of(study))


def comparison_of(study):
    return compute_comparison(study.ledger, compute_outcomes(study.trials))


@pytest.fixture(scope="session")
def mixed(study_of, trial):
    """Two widths, two seeds, and every status."""
    asked = [
        trial(tau, seed, width)
        for tau in (1.0, 1.5, 2.0, 2.5, 3.5)
        for seed in (0, 1)
        for width in (16, 128)
    ]
    nan = math.nan
    asked += [
        trial(1.0, 2, open_gates=9),
        trial(0.5, 0, open_gates=16, status=Status.INFEASIBLE),
        trial(0.5, 1, open_gates=14, status=Status.UNSETTLED),
        trial(0.5, 2, open_gates=16, status=Status.DIVERGED, test_sse_sampled=nan, error="NaN"),
        trial(0.5, 3, status=Status.FAILED, test_sse_sampled=nan, curves=None, samples=None),
    ]
    return StudyData.read(study_of(asked))


@pytest.fixture(scope="session")
def paired(study_of, pair):
    """Two data sets, two sizes, three seeds."""
    asked = [
        pair(size, seed, error=error + seed / 100, gates=size + seed, dataset=dataset)
        for dataset, error in (("fashion-mnist", 9.0), ("digits", 2.0))
        for size in (3, 30)
        for seed in (0, 1, 2)
    ]
    return StudyData.read(study_of([record for records in asked for record in records]))


@pytest.fixture(scope="session")
def computed(mixed, paired):
    """Computes the figures of this name, of a study that has all that they show."""
    return functools.cache(lambda name: figures(paired if name == "compression" else mixed, name))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_computed_and_drawn(name, computed):
    row = FIGURES[name]
    stem, data = next(iter(computed(name).items()))
    assert data.title
    assert data.alt.endswith(".")
    assert row.caption.endswith(".")
    assert " " not in stem
    assert not stem.startswith("/")
    row.draw(data)


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_are_clipped_or_too_small(name, computed):
    check_words(FIGURES[name].draw(next(iter(computed(name).values()))))


@pytest.mark.parametrize(("tau", "multiplier"), [(20_000.0, 1e-5), (0.0123, 0.00021)])
def test_the_margins_of_curves_have_room_for_long_labels(study_of, trial, tau, multiplier):
    curve = trial().curves.to_pandas()
    curve["sse"], curve["constraint_ma"] = tau * (1 + curve["hit_rate"] / 9), tau / 50
    curve["lambda"] = multiplier * (1 + curve["hit_rate"])
    curve["open_gates"], curve["gate_l1"] = 16_384, 16_384.0
    table = trial().curves.from_pandas(curve, schema=trial().curves.schema, preserve_index=False)
    study = StudyData.read(study_of([trial(tau, width=32_768, curves=table)]))
    check_words(FIGURES["curves"].draw(figure(study, "curves")))


def check_words(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in words) >= 9
    drawn = figure.get_tightbbox(canvas.get_renderer())  # inches
    width, height = figure.get_size_inches()
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= width + 0.01
    assert drawn.y1 <= height + 0.01


@pytest.mark.parametrize("name", FIGURES)
def test_a_study_without_trials_has_no_figures(name, study_of):
    assert not figures(StudyData.read(study_of([])), name)


def test_pictures_are_the_same_bytes_each_time_and_leave_matplotlib_as_it_was(study_of, trial):
    before = dict(matplotlib.rcParams)
    study = StudyData.read(study_of([trial(1.0), trial(1.5)]))
    plots = [
        plot
        for kind in VIEWS
        for plot in compute_report(
            dataclasses.replace(study, manifest=dataclasses.replace(study.manifest, study=kind))
        ).plots()
        if plot.name != "curves" or kind == "pareto"
    ]
    one = {picture.stem: picture for picture in render(plots)}
    assert one == {picture.stem: picture for picture in render(plots)}
    assert dict(matplotlib.rcParams) == before
    assert set(one) >= {"front", "reconstructions"}
    for picture in one.values():
        assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
        assert picture.png.startswith(b"\x89PNG")


def test_the_front_figure_separates_points_from_other_trials(mixed):
    data = figure(mixed, "front")
    assert {status: len(trials) for status, trials in data.others.items()} == {
        Status.UNSETTLED: 1,
        Status.INFEASIBLE: 1,
        Status.DIVERGED: 1,
    }
    assert set(data.points["tau"]) == {1.0, 1.5, 2.0, 2.5, 3.5}
    assert data.line["tau"].is_monotonic_increasing
    assert data.strip is not None
    assert len(data.strip.originals) == 1
    assert "1 infeasible trial" in data.alt


def test_the_front_figure_shows_trials_without_a_feasible_one(study_of, trial):
    asked = [trial(0.1, status=Status.INFEASIBLE, open_gates=16)]
    data = figure(StudyData.read(study_of(asked)), "front")
    assert data.points.empty
    assert data.strip is None
    FIGURES["front"].draw(data)


def test_the_chosen_points_are_spread_and_include_both_ends_and_the_knee(study_of, trial):
    gates = [32, 31, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    asked = [trial(1.0 + i, width=32, open_gates=g) for i, g in enumerate(gates)]
    front = front_of(StudyData.read(study_of(asked)))
    chosen = [point.open_gates for point in choose(front)]
    assert front.knee is not None
    assert front.knee.open_gates == 9
    assert len(chosen) == 5
    assert {32, 9, 1} <= set(chosen)
    assert chosen == sorted(chosen, reverse=True)


def test_equal_points_are_shown_once(study_of, trial):
    asked = [trial(tau, width=width) for tau in (1.0, 1.5) for width in (16, 32)]
    chosen = choose(front_of(StudyData.read(study_of(asked))))
    assert [(point.tau, point.width) for point in chosen] == [(1.0, 16), (1.5, 16)]


def test_reconstructions_of_other_images_are_left_out(study_of, trial):
    other = {
        "images": np.zeros((6, 1, 8, 8), np.uint8),
        "reconstructions": np.ones((6, 1, 8, 8), np.uint8),
    }
    study = StudyData.read(
        study_of([trial(1.0), trial(1.5, samples=other), trial(2.5, samples=None)])
    )
    data = reconstructions_of(study)
    assert data is not None
    assert [column.point.tau for column in data.columns] == [1.0]


def test_colour_images_keep_their_channels(study_of, trial):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    samples = {"images": images, "reconstructions": images}
    study = StudyData.read(study_of([trial(samples=samples)]))
    data = reconstructions_of(study)
    assert data is not None
    assert data.originals.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(data.originals[0, :, :, 2], images[0, 2])
    FIGURES["reconstructions"].draw(data)


def test_curves_keep_the_last_sample_and_few_others(digits):
    study = StudyData.read(digits)
    trial = study.trials.to_dict("records")[0]
    curve = digits.curve(trial["trial_id"])
    data = compute_curves(trial, curve)
    assert len(data.curve) == len(curve)
    assert data.curve["error"].iloc[-1] == pytest.approx(trial["tau"] - 0.01, abs=1e-6)
    long = curve.take(np.repeat(np.arange(len(curve)), 11))
    thinned = compute_curves(trial, long).curve
    assert MAX_SAMPLES / 2 < len(thinned) <= MAX_SAMPLES
    assert thinned["step"].iloc[-1] == curve["step"][-1].as_py()


def test_the_error_axis_is_not_stretched_by_the_first_steps(digits):
    study = StudyData.read(digits)
    trial = study.trials.to_dict("records")[0]
    curve = digits.curve(trial["trial_id"]).to_pandas()
    curve.loc[0, "sse"] = 1e6
    data = compute_curves(trial, digits.curve(trial["trial_id"]).from_pandas(curve))
    assert trial["tau"] < sse_limit(data) < 10


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_short_curves_of_nan_are_drawn(rows, study_of, trial):
    record = trial(status=Status.DIVERGED)
    curve = record.curves.slice(0, rows).to_pandas()
    curve[["sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"]] = math.nan
    table = record.curves.from_pandas(curve, schema=record.curves.schema, preserve_index=False)
    study = StudyData.read(study_of([trial(status=Status.DIVERGED, curves=table, samples=None)]))
    assert [picture.name for picture in render(compute_report(study).plots())] == [
        "front",
        "curves",
    ]


def test_a_comparison_shows_the_middle_seed_of_those_that_hold_tau(study_of, trial):
    def images(shade):
        originals = np.zeros((8, 1, 8, 8), np.uint8)
        return {"images": originals, "reconstructions": np.full_like(originals, shade)}

    asked = [
        trial(1.0, seed, open_gates=gates, samples=images(gates))
        for seed, gates in enumerate((7, 5, 6))
    ]
    asked += [
        trial(1.0, 3, open_gates=1, status=Status.INFEASIBLE, samples=images(1)),
        trial(0.1, open_gates=16, status=Status.INFEASIBLE, samples=images(16)),
        trial(2.0, samples=None),
    ]
    data = comparison_of(StudyData.read(study_of(asked, study="compare")))
    assert data is not None
    assert data.originals.shape == (8, 8, 8)
    assert [row.images.max() for row in data.rows] == [16, 6]
    assert [row.caption.split("\n") for row in data.rows] == [
        ["τ = 0.1", "16 of 16", "τ not held"],
        ["τ = 1", "5–7 of 16"],
    ]
    assert "8 held-out images" in data.alt


@pytest.mark.parametrize(("channels", "side"), [(1, 64), (3, 64), (1, 28), (3, 32)])
def test_a_comparison_keeps_size_and_colour(study_of, trial, channels, side):
    images = np.random.default_rng(0).integers(0, 256, (8, channels, side, side), dtype=np.uint8)
    samples = {"images": images, "reconstructions": 255 - images}
    study = StudyData.read(study_of([trial(tau, samples=samples) for tau in (1.0, 2.0)]))
    data = comparison_of(study)
    assert data is not None
    assert len(data.rows) == 2
    np.testing.assert_array_equal(data.originals.reshape(8, side, side, -1)[..., 0], images[:, 0])
    last = data.rows[1].images.reshape(8, side, side, -1)
    np.testing.assert_array_equal(last[..., -1], 255 - images[:, -1])
    axes = FIGURES["comparison"].draw(data).axes
    shown = [np.asarray(each.get_images()[0].get_array()) for each in axes]
    assert len(shown) == 3  # the originals and two τ, each a line of eight images
    for line in shown:
        assert 8 < line.shape[1] / line.shape[0] < 9
        assert line.shape[2:] == ((3,) if channels == 3 else ())


def test_a_comparison_has_a_row_for_each_width(study_of, trial):
    asked = [trial(1.0, width=width, open_gates=5) for width in (16, 32)]
    data = comparison_of(StudyData.read(study_of(asked)))
    assert data is not None
    assert [row.caption for row in data.rows] == ["τ = 1\n5 of 16", "τ = 1\n5 of 32"]


def test_the_compression_figure_has_a_line_per_data_set_and_size(paired):
    data = figure(paired, "compression")
    assert [(line.dataset, line.size) for line in data.lines] == [
        ("digits", 3), ("digits", 30), ("fashion-mnist", 3), ("fashion-mnist", 30),
    ]  # fmt: skip
    assert "digits, n = 3: 4 (3–5) of 6" in data.alt
    axes = FIGURES["compression"].draw(data).axes[0]
    heights = axes.get_yticks()
    assert heights[2] - heights[1] > heights[1] - heights[0] == 1  # data sets stand apart


def test_the_compression_figure_puts_every_reading_in_multiples_of_n(study_of, pair, curve_of):
    curve = curve_of(1.25, 8, 2).to_pandas()
    curve["open_gates"] = np.select([curve["step"] <= 4000, curve["step"] <= 6000], [7, 6], 2)
    table = pair(4)[1].curves.from_pandas(curve, preserve_index=False)
    study = StudyData.read(study_of(pair(4, gates=2, curves=table)))
    data = figure(study, "compression")
    axes = FIGURES["compression"].draw(data).axes[0]
    dots = [line for line in axes.lines if line.get_marker() in ("D", "o")]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [2, 7 / 4, 6 / 4, 2 / 4]
    heights = [float(dot.get_ydata()[0]) for dot in dots]
    assert heights == sorted(heights)
    assert heights[0] < heights[1]
    assert axes.yaxis_inverted()  # later readings stand lower


def test_readings_that_did_not_hold_tau_are_hollow(study_of, pair):
    def drawn(above):
        curve = pair(4)[1].curves.to_pandas()
        curve.loc[curve["step"] > 6000, "constraint_ma"] = above
        table = pair(4)[1].curves.from_pandas(curve, preserve_index=False)
        study = StudyData.read(study_of(pair(4, curves=table)))
        data = figure(study, "compression")
        drawing = FIGURES["compression"].draw(data)
        dots = [line for line in drawing.axes[0].lines if line.get_marker() == "o"]
        hollow = [dot.get_markerfacecolor() == "white" for dot in dots]
        return hollow, [text.get_text() for text in drawing.legends[0].get_texts()], data.alt

    names = ["start", "at 1×", "at 1.5×", "at 2×"]
    assert drawn(-0.1)[:2] == ([False] * 3, names)
    hollow, legend, alt = drawn(3.0)
    assert hollow == [False, False, True]
    assert legend == [*names, "τ not held"]
    assert "(τ not held)" in alt


def test_a_line_without_a_last_reading_has_no_kept_dimensions(study_of, pair):
    early = pair(3, curves=pair(3)[1].curves.slice(0, 120), status=Status.DIVERGED)
    data = figure(StudyData.read(study_of(early)), "compression")
    assert "digits, n = 3: not read to the end" in data.alt
    FIGURES["compression"].draw(data)


def test_a_trajectory_of_several_seeds_has_a_band_and_says_so(study_of, trial):
    one = figures(StudyData.read(study_of([trial()])), "trajectory")
    asked = [trial(1.5, seed, open_gates=3 + seed) for seed in range(3)]
    three = figures(StudyData.read(study_of(asked)), "trajectory")
    (name, single), (same_name, several) = *one.items(), *three.items()
    assert name == same_name == "trajectory-tau1.5-width16"
    assert single.band is None
    assert "(1 seed)" in single.title
    assert several.band is not None
    low, high = several.band
    assert "median and range of 3 seeds" in several.title
    for column in ("error", "gate_l1", "smooth_hit_rate", "lambda"):
        assert (low[column] <= several.curve[column]).all()
        assert (several.curve[column] <= high[column]).all()
    assert (low["open_gates"].iloc[-1], high["open_gates"].iloc[-1]) == (3, 5)
    panels = FIGURES["trajectory"].draw(several).axes
    assert all(len(axes.collections) == 1 for axes in panels)


def test_the_whole_band_is_within_the_axes(study_of, trial):
    def bent(seed):
        curve = trial().curves.to_pandas()
        curve["lambda"] *= 1 + seed
        curve["constraint_ma"] += 4 * seed
        return trial(1.5, seed, curves=trial().curves.from_pandas(curve, preserve_index=False))

    study = StudyData.read(study_of([bent(seed) for seed in range(3)]))
    data = figure(study, "trajectory")
    assert data.band is not None
    low, high = data.band
    error, _, multiplier, _ = FIGURES["trajectory"].draw(data).axes
    assert error.get_ylim()[1] > high["error"].iloc[-1]
    assert multiplier.get_ylim()[0] < low["lambda"].min()
    assert multiplier.get_ylim()[1] > high["lambda"].max()


def test_a_trial_that_diverged_has_no_gates_to_show(study_of, diverged):
    study = StudyData.read(study_of([diverged()]))
    assert not figures(study, "front")
    assert not figures(study, "comparison")
