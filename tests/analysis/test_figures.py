"""Contracts that every row of FIGURES keeps, then what each figure's data say."""

import math
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from analysis import Study
from analysis.figures import FIGURES, render
from analysis.figures.curves import SAMPLES, compute_curves, sse_limit
from analysis.figures.front import compute_front_figure
from analysis.figures.reconstructions import choose, compute_reconstructions
from trainer.spec import Status


@pytest.fixture
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
    return Study.read(study_of(asked))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_computed_and_drawn(name, mixed):
    row = FIGURES[name]
    figures = row.compute(mixed)
    assert figures
    stem, data = next(iter(figures.items()))
    assert data.title
    assert data.alt.endswith(".")
    assert row.caption.endswith(".")
    assert " " not in stem
    assert not stem.startswith("/")
    row.draw(data)


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_are_clipped_or_too_small(name, mixed):
    row = FIGURES[name]
    figure = row.draw(next(iter(row.compute(mixed).values())))
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
    assert not FIGURES[name].compute(Study.read(study_of([])))


def test_pictures_are_the_same_bytes_each_time_and_leave_matplotlib_as_it_was(study_of, trial):
    before = dict(matplotlib.rcParams)
    study = Study.read(study_of([trial(1.0), trial(1.5)]))
    one = {picture.stem: picture for picture in render(study)}
    assert one == {picture.stem: picture for picture in render(study)}
    assert dict(matplotlib.rcParams) == before
    assert set(one) >= {"front", "reconstructions"}
    for picture in one.values():
        assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
        assert picture.png.startswith(b"\x89PNG")


def test_the_front_figure_separates_points_from_trials_that_are_none(mixed):
    data = compute_front_figure(mixed)
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


def test_the_front_figure_shows_trials_though_none_is_feasible(study_of, trial):
    asked = [trial(0.1, status=Status.INFEASIBLE, open_gates=16)]
    data = compute_front_figure(Study.read(study_of(asked)))
    assert data.points.empty
    assert data.strip is None
    FIGURES["front"].draw(data)


def test_the_chosen_points_are_spread_and_hold_both_ends_and_the_knee(study_of, trial):
    gates = [32, 31, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    asked = [trial(1.0 + i, width=32, open_gates=g) for i, g in enumerate(gates)]
    front = Study.read(study_of(asked)).front
    chosen = [point.open_gates for point in choose(front)]
    assert front.knee is not None
    assert front.knee.open_gates == 9
    assert len(chosen) == 5
    assert {32, 9, 1} <= set(chosen)
    assert chosen == sorted(chosen, reverse=True)


def test_equal_points_are_shown_once(study_of, trial):
    asked = [trial(tau, width=width) for tau in (1.0, 1.5) for width in (16, 32)]
    chosen = choose(Study.read(study_of(asked)).front)
    assert [(point.tau, point.width) for point in chosen] == [(1.0, 16), (1.5, 16)]


def test_reconstructions_of_other_images_are_left_out(study_of, trial):
    other = {
        "images": np.zeros((6, 1, 8, 8), np.uint8),
        "reconstructions": np.ones((6, 1, 8, 8), np.uint8),
    }
    study = Study.read(study_of([trial(1.0), trial(1.5, samples=other), trial(2.5, samples=None)]))
    data = compute_reconstructions(study.ledger, study.front)
    assert data is not None
    assert [column.point.tau for column in data.columns] == [1.0]


def test_colour_images_keep_their_channels(study_of, trial):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    samples = {"images": images, "reconstructions": images}
    study = Study.read(study_of([trial(samples=samples)]))
    data = compute_reconstructions(study.ledger, study.front)
    assert data is not None
    assert data.originals.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(data.originals[0, :, :, 2], images[0, 2])
    FIGURES["reconstructions"].draw(data)


def test_curves_keep_the_last_sample_and_few_others(digits):
    study = Study.read(digits)
    trial = study.trials.to_dict("records")[0]
    curve = digits.curve(trial["trial_id"])
    data = compute_curves(trial, curve)
    assert len(data.curve) == len(curve)
    assert data.curve["smooth_sse"].iloc[-1] == pytest.approx(trial["tau"] - 0.01, abs=1e-6)
    long = curve.take(np.repeat(np.arange(len(curve)), 11))
    thinned = compute_curves(trial, long).curve
    assert SAMPLES / 2 < len(thinned) <= SAMPLES
    assert thinned["step"].iloc[-1] == curve["step"][-1].as_py()


def test_the_error_axis_holds_tau_and_what_is_typical_not_the_first_steps(digits):
    study = Study.read(digits)
    trial = study.trials.to_dict("records")[0]
    curve = digits.curve(trial["trial_id"]).to_pandas()
    curve.loc[0, "sse"] = 1e6
    data = compute_curves(trial, digits.curve(trial["trial_id"]).from_pandas(curve))
    assert trial["tau"] < sse_limit(data) < 10


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_short_curves_of_nothing_but_nan_are_drawn(rows, study_of, trial):
    record = trial(status=Status.DIVERGED)
    curve = record.curves.slice(0, rows).to_pandas()
    curve[["sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"]] = math.nan
    table = record.curves.from_pandas(curve, schema=record.curves.schema, preserve_index=False)
    study = Study.read(study_of([trial(status=Status.DIVERGED, curves=table)]))
    assert [picture.name for picture in render(study)] == ["front", "curves"]
