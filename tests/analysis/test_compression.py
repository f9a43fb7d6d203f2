"""Table 1 computed from ledgers of known numbers."""

import dataclasses
import math
import random

import numpy as np
import pyarrow as pa
import pytest

from analysis import StudyData, compute_pairs
from analysis.computed.compression import READ_AT, as_table, summarise
from sweeper.studies import compression
from trainer.verdict import Status


def closing(curve_of, width, every=1000, steps=8000, samples=400):
    """A curve that closes a gate every so many steps, the first one at step `every`."""
    curve = curve_of(1.25, width, 0, steps=steps, samples=samples).to_pandas()
    curve["open_gates"] = width - curve["step"] // every
    curve["constraint_ma"] = -0.01
    return curve


def as_curve(table, like):
    return pa.Table.from_pandas(table, schema=like.schema, preserve_index=False)


def pairs_of(ledger):
    trials = StudyData.read(ledger).trials
    return compute_pairs(trials, ledger.curves_of(trials["trial_id"]))


@pytest.fixture
def read(study_of, pair, curve_of):
    """Computes the only pair of a study whose gated curve was changed."""

    def compute(change=lambda curve: curve, **changes):
        baseline, gated = pair(8, error=1.25, gates=0)
        curve = as_curve(change(closing(curve_of, 16)), gated.curves)
        _, gated = pair(8, error=1.25, gates=0, curves=curve, **changes)
        (found,) = pairs_of(study_of([baseline, gated]))
        return found

    return compute


def test_without_parents_trials_are_paired_by_error_and_tau(study_of, pair):
    asked = {
        (dataset, size, seed): pair(size, seed, error=error, gates=size + 1, dataset=dataset)
        for place, dataset in enumerate(("digits", "tiles"))
        for size in (3, 6)
        for seed in (0, 1, 2)
        for error in [1.1 * 7.3 ** (place - size) + seed / 3]
    }
    records = [record for records in asked.values() for record in records]
    random.Random(0).shuffle(records)
    found = pairs_of(study_of(records))
    assert [(pair.dataset, pair.size, pair.seed) for pair in found] == sorted(asked)
    for each in found:
        baseline, gated = asked[each.dataset, each.size, each.seed]
        assert each.error == baseline.result.train_sse == gated.spec.tau
        assert (each.width, each.steps) == (2 * each.size, 4000)
        assert (each.status, each.baseline_status) == ("feasible", "feasible")
        assert each.gates[-1] == each.size + 1


def with_parent(gated, baseline):
    return dataclasses.replace(gated, parent=baseline.spec.trial_id)


def test_trials_are_paired_by_parent_whatever_tau_they_have(study_of, pair):
    baseline, same_error = pair(3, error=1.25, gates=2)
    _, rounded = pair(3, error=1.2, gates=4)
    other, _ = pair(3, seed=1, error=1.4)
    records = [baseline, other, with_parent(rounded, baseline), with_parent(same_error, other)]
    found = pairs_of(study_of(records))
    assert [(each.seed, each.error, each.gates[-1]) for each in found] == [
        (0, 1.25, 4), (1, 1.4, 2),
    ]  # fmt: skip


def test_rows_with_and_without_parents_are_paired_in_one_study(study_of, pair):
    old = pair(3, error=1.25, gates=2)
    baseline, gated = pair(6, error=0.7, gates=7)
    found = pairs_of(study_of([*old, baseline, with_parent(gated, baseline)]))
    assert [(each.size, each.gates[-1]) for each in found] == [(3, 2), (6, 7)]


def test_a_trial_with_another_parent_is_not_paired_by_its_tau(study_of, pair):
    baseline, gated = pair(3, error=1.25)
    absent, _ = pair(3, seed=9)
    (found,) = pairs_of(study_of([baseline, with_parent(gated, absent)]))
    assert found.status == "waiting"


def test_a_diverged_parent_has_no_gated_trial(study_of, pair, diverged):
    baseline = diverged(0, width=3, objective="geco", steps=4000)
    _, gated = pair(3)
    (found,) = pairs_of(study_of([baseline, with_parent(gated, baseline)]))
    assert found.status == "baseline diverged"


def test_a_trial_of_almost_the_same_question_is_not_paired(study_of, pair, trial):
    baseline, _ = pair(3, seed=0, error=1.25)
    strangers = [
        pair(3, seed=0, error=math.nextafter(1.25, 2))[1],
        pair(3, seed=1, error=1.25)[1],
        pair(3, seed=0, error=1.25, dataset="tiles")[1],
        trial(1.25, 0, width=3, steps=8000),
    ]
    (found,) = pairs_of(study_of([baseline, *strangers]))
    assert (found.status, found.width) == ("waiting", 6)
    assert np.isnan(found.gates).all()
    assert found.held == (False, False, False)


def test_sizes_with_the_same_error_keep_their_own_gated_trials(study_of, pair):
    records = [*pair(3, error=1.25, gates=2), *pair(6, error=1.25, gates=5)]
    found = pairs_of(study_of(records))
    assert [(each.size, each.width, each.gates[-1]) for each in found] == [(3, 6, 2), (6, 12, 5)]


def test_gates_are_read_at_the_baselines_steps_once_and_a_half_and_twice(read):
    # The baseline took 4000 steps, and the gated trial loses a gate every 1000.
    found = read()
    assert found.gates == (12, 10, 8)
    assert found.held == (True, True, True)


def test_between_two_samples_the_earlier_one_is_read(read):
    def sparse(curve):
        return curve[curve["step"].isin([500, 3999, 4001, 5999, 6001, 7999, 8000])]

    def shifted(curve):
        return sparse(curve.assign(step=curve["step"].replace({4000: 3999, 6000: 5999})))

    assert read(shifted).gates == (12, 10, 8)


@pytest.mark.parametrize(
    ("last", "gates"),
    [
        (8000, (12, 10, 8)),
        (7980, (12, 10, None)),
        (6000, (12, 10, None)),
        (5980, (12, None, None)),
        (3980, (None, None, None)),
        (0, (None, None, None)),
    ],
)
def test_nothing_is_read_after_the_end_of_a_curve(read, last, gates):
    found = read(lambda curve: curve[curve["step"] <= last])
    assert [None if math.isnan(count) else count for count in found.gates] == list(gates)
    assert found.held == tuple(count is not None for count in gates)


def test_a_sample_that_is_not_finite_is_not_read(read):
    def lost(curve):
        curve = curve[curve["step"] <= 6000].copy()
        curve.loc[curve["step"] == 6000, "constraint_ma"] = math.nan
        return curve

    assert read(lost).gates[0] == 12
    assert np.isnan(read(lost).gates[1:]).all()


def test_each_reading_has_its_own_held(read):
    # τ = 1.25 with a tolerance of 3 % is held up to 0.0375 above it.
    def errors(curve):
        above = {4000: 0.0374, 6000: 0.0376, 8000: -0.2}
        return curve.assign(constraint_ma=curve["step"].map(above).fillna(1.0))

    assert read(errors).held == (True, False, True)
    assert read(errors, tolerance=0.02).held == (False, False, True)


def test_a_baseline_without_a_gated_trial_has_the_reason_as_status(
    study_of, pair, failed, diverged
):
    spec = {"objective": "geco", "steps": 4000, "study": "compression"}
    baselines = [
        pair(3, error=1.25)[0],
        diverged(0, width=4, **spec),
        failed(0, width=5, **spec),
    ]
    found = pairs_of(study_of(baselines, waiting=["a gated trial", "another"]))
    assert [each.status for each in found] == ["waiting", "baseline diverged", "baseline failed"]
    assert [math.isnan(each.error) for each in found] == [False, True, True]


def test_a_diverged_baseline_has_no_error_and_no_gated_trial(study_of, pair):
    lost, gated = pair(3, 1, error=9.0)
    lost = dataclasses.replace(
        lost, result=dataclasses.replace(lost.result, status=Status.DIVERGED)
    )
    found = pairs_of(study_of([*pair(3, error=1.25), lost, gated]))
    assert [each.status for each in found] == ["feasible", "baseline diverged"]
    assert math.isnan(found[1].error)
    (line,) = summarise(found)
    assert line.error is not None
    assert (line.error.high, line.error.count) == (1.25, 1)


def test_seeds_that_held_tau_are_summarised_apart(study_of, pair):
    def curve(gates, above):
        table = pair(3, gates=gates)[1].curves
        changed = table.to_pandas().assign(constraint_ma=above)
        return as_curve(changed, table)

    asked = [
        pair(3, 0, error=1.2, gates=4, curves=curve(4, -0.01)),
        pair(3, 1, error=1.0, gates=2, curves=curve(2, 0.5)),
        pair(3, 2, error=1.4)[:1],
        pair(6, 0, error=0.5, gates=7, curves=curve(7, 0.5)),
    ]
    small, large = summarise(
        pairs_of(study_of([record for records in asked for record in records]))
    )
    assert [(last.median, last.count) for last in (small.gates[-1], small.held[-1])] == [
        (4, 2), (4, 1),
    ]  # fmt: skip
    assert large.held == (None, None, None)
    assert small.missed == large.missed == (True, True, True)
    (unread,) = summarise(pairs_of(study_of(pair(3)[:1], waiting=["a gated trial"])))
    assert unread.missed == (False, False, False)


def test_the_last_reading_is_at_the_end_of_the_gated_trial():
    assert READ_AT[-1] == compression.WIDER


def test_seeds_are_summarised_by_medians_and_ranges(study_of, pair):
    asked = [
        pair(3, seed, error=error, gates=gates)
        for seed, error, gates in ((0, 1.2, 4), (1, 1.0, 6), (2, 1.4, 3))
    ]
    asked.append(pair(6, 0, error=0.5, gates=7, status=Status.UNSETTLED))
    asked.append(pair(6, 1, error=0.7)[:1])
    small, large = summarise(
        pairs_of(study_of([record for records in asked for record in records]))
    )
    assert (small.size, small.width, small.steps) == (3, 6, 4000)
    assert small.error is not None
    assert (small.error.median, small.error.low, small.error.high) == (1.2, 1.0, 1.4)
    last = small.gates[-1]
    assert last is not None
    assert (last.median, last.low, last.high, last.count) == (4, 3, 6, 3)
    assert small.statuses == ("feasible",) * 3
    assert large.error is not None
    assert large.error.median == 0.7  # of two, the upper: a value that was really reached
    last = large.gates[-1]
    assert last is not None
    assert (last.median, last.count) == (7, 1)
    assert large.statuses == ("unsettled", "waiting")


def test_readings_without_any_seed_are_none(study_of, pair):
    (line,) = summarise(pairs_of(study_of(pair(3)[:1], waiting=["a gated trial"])))
    assert line.gates == (None, None, None)
    assert line.error is not None


def test_the_table_has_a_row_per_pair_and_a_column_per_reading(read):
    (row,) = as_table([read()]).to_dict("records")
    assert (row["dataset"], row["size"], row["width"]) == ("digits", 8, 16)
    assert (row["gates_1x"], row["gates_1.5x"], row["gates_2x"]) == (12, 10, 8)
    assert row["held_1.5x"] is True


def test_a_study_without_trials_has_no_pairs(study_of):
    assert pairs_of(study_of([], study="compression")) == []
    assert summarise([]) == []
