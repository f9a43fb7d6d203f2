"""Seeds joined step by step, compared with sorting by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest

from analysis import StudyData
from analysis.computed.trajectory import MEASURES, compute_trajectories
from analysis.figures.trajectory import trajectory_figures
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


def trajectories(ledger):
    trials = StudyData.read(ledger).trials
    return compute_trajectories(trials, ledger.curves_of(trials["trial_id"]))


@pytest.fixture
def joined(study_of, trial, curve_of):
    """Joins curves; returns the trajectory, and the curves as one table per seed."""

    def join(curves):
        asked = [trial(2.0, seed, curves=as_curve(curve)) for seed, curve in enumerate(curves)]
        (trajectory,) = trajectories(study_of(asked))
        return trajectory, [
            curve.assign(error=curve["constraint_ma"] + 2.0).set_index("step") for curve in curves
        ]

    return join


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_each_step_has_the_median_and_the_range_of_the_seeds(joined, curve_of, seeds):
    trajectory, curves = joined([noisy(curve_of, seed) for seed in range(seeds)])
    assert trajectory.seeds == seeds
    for name in MEASURES:
        ordered = np.sort([curve[name].to_numpy() for curve in curves], axis=0)
        np.testing.assert_array_equal(trajectory.low[name], ordered[0])
        np.testing.assert_array_equal(trajectory.median[name], ordered[seeds // 2])
        np.testing.assert_array_equal(trajectory.high[name], ordered[-1])
    assert trajectory.median.index.tolist() == curves[0].index.tolist()


def test_the_trajectory_of_one_seed_is_its_own_curve(joined, curve_of):
    trajectory, (curve,) = joined([noisy(curve_of, 0)])
    for table in (trajectory.low, trajectory.median, trajectory.high):
        np.testing.assert_array_equal(table, curve[list(MEASURES)])


def test_a_diverged_seed_counts_up_to_its_last_finite_sample(study_of, trial, diverged):
    whole = [trial(2.0, seed, open_gates=gates) for seed, gates in ((0, 4), (1, 6))]
    short = diverged(2.0, 2)
    (trajectory,) = trajectories(study_of([*whole, short]))
    steps = trajectory.median.index
    end = short.curves["step"][-2].as_py()  # the last sample holds no numbers, and 0 gates
    assert short.curves["open_gates"][-1].as_py() == 0
    assert steps.tolist() == whole[0].curves["step"].to_pylist()
    assert (trajectory.count[steps <= end] == 3).all()
    assert (trajectory.count[steps > end] == 2).all()
    assert trajectory.low["open_gates"].min() == 4
    assert np.isfinite(trajectory.median).all(axis=None)
    last = trajectory.at(int(steps[-1]), "open_gates")
    assert (last.median, last.low, last.high, last.count) == (6, 4, 6, 2)
    (data,) = trajectory_figures([trajectory]).values()
    assert data.band is not None


def test_the_last_sample_up_to_a_step(joined, curve_of):
    trajectory, _ = joined([noisy(curve_of, 0)])  # every 200 steps up to 8000
    assert trajectory.last_sample(8000) == 8000
    assert trajectory.last_sample(399.9) == 200
    assert trajectory.last_sample(400) == 400
    assert trajectory.last_sample(199) is None
    assert trajectory.last_sample(8001) is None


def test_each_tau_and_width_has_its_own_trajectory(study_of, trial):
    asked = [trial(tau, width=width) for tau in (1.0, 1.5) for width in (16, 32)]
    found = trajectories(study_of(asked))
    assert [(trajectory.tau, trajectory.width) for trajectory in found] == [
        (1.0, 16), (1.0, 32), (1.5, 16), (1.5, 32),
    ]  # fmt: skip


def test_taus_that_differ_in_late_digits_have_their_own_files(study_of, trial):
    asked = [trial(1.23456781), trial(1.23456782)]
    assert len(trajectory_figures(trajectories(study_of(asked)))) == 2


def test_trials_without_a_curve_are_left_out(study_of, trial, failed):
    ledger = study_of([trial(1.0), failed(1.0, 1), failed(1.5)])
    (trajectory,) = trajectories(ledger)
    assert (trajectory.tau, trajectory.seeds) == (1.0, 1)
    assert trajectories(study_of([failed()])) == []
    assert trajectories(study_of([])) == []


def test_a_curve_of_nan_only_is_left_out(study_of, trial):
    curve = trial().curves.slice(0, 3).to_pandas()
    curve[["sse", "constraint_ma", "hit_rate", "gate_l1", "lambda", "kl"]] = math.nan
    assert trajectories(study_of([trial(curves=as_curve(curve))])) == []
