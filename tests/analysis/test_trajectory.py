"""Seeds joined step by step, against sorting by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest

from analysis import Study
from analysis.computed.trajectory import MEASURES, compute_courses
from analysis.figures.trajectory import courses_of
from sweeper.ledger.columns import CURVE_SCHEMA


def noisy(curve_of, seed, steps=8000, samples=40):
    """A curve whose every column is noise of its own, so that seeds cross each other."""
    curve = curve_of(2.0, 16, 4, steps=steps, samples=samples).to_pandas()
    random = np.random.default_rng(seed)
    for name in ("sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"):
        curve[name] = random.random(len(curve))
    curve["open_gates"] = random.integers(0, 17, len(curve))
    return curve


def as_curve(table):
    return pa.Table.from_pandas(table, schema=CURVE_SCHEMA, preserve_index=False)


def courses(ledger):
    return compute_courses(Study.read(ledger))


@pytest.fixture
def joined(study_of, trial, curve_of):
    """Gives the course of these curves, and what they were, one table per seed."""

    def join(curves):
        asked = [trial(2.0, seed, curves=as_curve(curve)) for seed, curve in enumerate(curves)]
        (course,) = courses(study_of(asked))
        return course, [
            curve.assign(error=curve["constraint_ma"] + 2.0).set_index("step") for curve in curves
        ]

    return join


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_each_step_has_the_median_and_the_range_of_the_seeds(joined, curve_of, seeds):
    course, curves = joined([noisy(curve_of, seed) for seed in range(seeds)])
    assert course.seeds == seeds
    for name in MEASURES:
        ordered = np.sort([curve[name].to_numpy() for curve in curves], axis=0)
        np.testing.assert_array_equal(course.low[name], ordered[0])
        np.testing.assert_array_equal(course.median[name], ordered[seeds // 2])
        np.testing.assert_array_equal(course.high[name], ordered[-1])
    assert course.median.index.tolist() == curves[0].index.tolist()


def test_the_course_of_one_seed_is_its_own_curve(joined, curve_of):
    course, (curve,) = joined([noisy(curve_of, 0)])
    for table in (course.low, course.median, course.high):
        np.testing.assert_array_equal(table, curve[list(MEASURES)])


def test_a_seed_that_diverged_counts_as_far_as_it_got(study_of, trial, diverged):
    whole = [trial(2.0, seed, open_gates=gates) for seed, gates in ((0, 4), (1, 6))]
    short = diverged(2.0, 2)
    (course,) = courses(study_of([*whole, short]))
    steps = course.median.index
    end = short.curves["step"][-2].as_py()  # the last sample holds no numbers, and 0 gates
    assert short.curves["open_gates"][-1].as_py() == 0
    assert steps.tolist() == whole[0].curves["step"].to_pylist()
    assert (course.count[steps <= end] == 3).all()
    assert (course.count[steps > end] == 2).all()
    assert course.low["open_gates"].min() == 4
    assert np.isfinite(course.median).all(axis=None)
    last = course.at(int(steps[-1]), "open_gates")
    assert (last.median, last.low, last.high, last.count) == (6, 4, 6, 2)
    (data,) = courses_of(Study.read(study_of([*whole, short]))).values()
    assert data.band is not None


def test_where_a_course_was_sampled(joined, curve_of):
    course, _ = joined([noisy(curve_of, 0)])  # every 200 steps up to 8000
    assert course.sampled(8000) == 8000
    assert course.sampled(399.9) == 200
    assert course.sampled(400) == 400
    assert course.sampled(199) is None
    assert course.sampled(8001) is None


def test_each_tau_and_width_has_its_own(study_of, trial):
    asked = [trial(tau, width=width) for tau in (1.0, 1.5) for width in (16, 32)]
    found = courses(study_of(asked))
    assert [(course.tau, course.width) for course in found] == [
        (1.0, 16), (1.0, 32), (1.5, 16), (1.5, 32),
    ]  # fmt: skip


def test_taus_that_differ_late_have_files_of_their_own(study_of, trial):
    asked = [trial(1.23456781), trial(1.23456782)]
    assert len(courses_of(Study.read(study_of(asked)))) == 2


def test_trials_without_a_curve_are_left_out(study_of, trial, failed):
    ledger = study_of([trial(1.0), failed(1.0, 1), failed(1.5)])
    (course,) = courses(ledger)
    assert (course.tau, course.seeds) == (1.0, 1)
    assert courses(study_of([failed()])) == []
    assert courses(study_of([])) == []


def test_a_curve_of_nothing_but_nan_is_none(study_of, trial):
    curve = trial().curves.slice(0, 3).to_pandas()
    curve[["sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"]] = math.nan
    assert courses(study_of([trial(curves=as_curve(curve))])) == []
