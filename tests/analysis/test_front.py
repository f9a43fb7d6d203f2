"""The front, compared with its definition written down naively."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import compute_front
from analysis.computed.front import STRAIGHT_DISTANCE, on_front
from trainer.verdict import Status

# Few distinct values, so that ties in one or both coordinates are common.
OUTCOMES = st.tuples(
    st.integers(0, 6), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.25]), st.sampled_from(list(Status))
)
STUDIES = st.lists(OUTCOMES, max_size=25)
quick = settings(max_examples=60, deadline=None)


def table(outcomes):
    """Trials with these (open_gates, error, status), each at a τ of its own."""
    count = len(outcomes)
    return pd.DataFrame(
        {
            "trial_id": [f"{number:016x}" for number in range(count)],
            "tau": np.arange(1.0, count + 1),
            "width": np.full(count, 16),
            "seed": np.zeros(count, int),
            "status": [str(status) for _, _, status in outcomes],
            "open_gates": np.array([gates for gates, _, _ in outcomes], int),
            "test_sse_sampled": np.array([error for _, error, _ in outcomes], float),
            "test_sse_mean": np.array([error - 0.1 for _, error, _ in outcomes], float),
        }
    )


def feasible(*outcomes):
    return table([(gates, error, Status.FEASIBLE) for gates, error in outcomes])


def seeded(tau, outcomes):
    trials = table(outcomes)
    return trials.assign(tau=tau, seed=range(len(outcomes)))


def beats(one, other):
    return one[0] <= other[0] and one[1] <= other[1] and one != other


def members(trials):
    return {(p.open_gates, p.error, p.trial_id) for p in compute_front(trials).front}


@quick
@given(STUDIES)
def test_the_front_is_what_no_feasible_trial_beats(outcomes):
    trials = table(outcomes)
    points = [
        (row.open_gates, row.test_sse_sampled, row.trial_id)
        for row in trials.itertuples()
        if row.status == "feasible"
    ]
    naive = {p for p in points if not any(beats(q[:2], p[:2]) for q in points)}
    assert members(trials) == naive
    # Each point off the front is beaten by one on it, not only by another point off it.
    assert all(any(beats(m[:2], p[:2]) for m in naive) for p in points if p not in naive)


@quick
@given(STUDIES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(outcomes, random):
    trials = table(outcomes)
    order = list(range(len(trials)))
    random.shuffle(order)
    one, other = compute_front(trials), compute_front(trials.iloc[order])
    pd.testing.assert_frame_equal(one.points, other.points)
    assert (one.knee, one.reason) == (other.knee, other.reason)


@quick
@given(STUDIES)
def test_along_the_front_fewer_gates_cost_more_error(outcomes):
    distinct = sorted({member[:2] for member in members(table(outcomes))})
    errors = [error for _, error in distinct]
    assert len({gates for gates, _ in distinct}) == len(distinct)
    assert errors == sorted(set(errors), reverse=True)


@quick
@given(STUDIES.filter(lambda outcomes: any(o[2] == Status.FEASIBLE for o in outcomes)), st.data())
def test_adding_a_beaten_trial_changes_nothing(outcomes, data):
    trials = table(outcomes)
    gates, error, _ = data.draw(st.sampled_from(sorted(members(trials))))
    worse = (gates + data.draw(st.integers(0, 3)), error + 0.25, Status.FEASIBLE)
    more = table([*outcomes, worse])
    assert members(more) == members(trials)
    assert compute_front(more).knee == compute_front(trials).knee


@quick
@given(STUDIES)
def test_the_knee_is_the_front_point_furthest_below_the_line(outcomes):
    trials = table(outcomes)
    knee = compute_front(trials).knee
    points = {member[:2] for member in members(trials)}
    if len(points) < 3:
        assert knee is None
        return
    (low_gates, high_error), (high_gates, low_error) = min(points), max(points)

    def below(point):
        x = (point[1] - low_error) / (high_error - low_error)
        y = (point[0] - low_gates) / (high_gates - low_gates)
        return (1 - x - y) / math.sqrt(2)

    deepest = max(map(below, points))
    if knee is None:
        assert deepest < STRAIGHT_DISTANCE + 1e-9
    else:
        assert below((knee.open_gates, knee.error)) == pytest.approx(deepest)
        assert knee.on_front


def test_equal_points_are_on_the_front_together():
    assert on_front(pd.DataFrame({"open_gates": [4, 4, 4], "error": [1.0, 1.0, 1.1]})).tolist() == [
        True,
        True,
        False,
    ]


def test_a_trial_without_a_held_out_error_is_not_a_point():
    assert compute_front(feasible((4, math.nan), (5, math.inf), (6, 1.0))).points[
        "open_gates"
    ].tolist() == [6]


def test_seeds_are_one_point_at_the_medians_of_the_feasible():
    outcomes = [
        (8, 1.04, Status.FEASIBLE),
        (9, 1.00, Status.FEASIBLE),
        (8, 1.02, Status.FEASIBLE),
        (2, 0.10, Status.UNSETTLED),
    ]
    (point,) = compute_front(seeded(1.0, outcomes)).front
    assert (point.open_gates, point.open_gates_min, point.open_gates_max) == (8, 8, 9)
    assert (point.error, point.error_min, point.error_max) == (1.02, 1.0, 1.04)
    assert (point.seeds, point.trials) == (3, 4)
    assert point.trial_id == f"{2:016x}"  # the one at both medians


def test_the_median_of_an_even_number_of_seeds_is_the_upper():
    outcomes = [(4, 1.0, Status.FEASIBLE), (7, 1.1, Status.FEASIBLE)]
    (point,) = compute_front(seeded(1.0, outcomes)).front
    assert (point.open_gates, point.error) == (7, 1.1)


def test_one_lucky_seed_does_not_put_its_tau_on_the_front():
    lucky = [(2, 1.0, Status.FEASIBLE), (9, 1.2, Status.FEASIBLE), (9, 1.2, Status.FEASIBLE)]
    steady = [(5, 1.1, Status.FEASIBLE)] * 3
    trials = pd.concat([seeded(1.0, lucky), seeded(2.0, steady)])
    assert [point.tau for point in compute_front(trials).front] == [2.0]


def test_widths_are_different_points():
    trials = pd.concat([feasible((5, 1.0)), feasible((4, 1.0)).assign(width=32)])
    assert [(p.width, p.open_gates) for p in compute_front(trials).front] == [(32, 4)]


def test_the_knee_of_the_digits_is_where_a_person_sees_it():
    trials = feasible((12, 0.5), (6, 1.0), (4, 1.5), (4, 2.0), (2, 2.5), (2, 3.0))
    front = compute_front(trials)
    assert front.knee is not None
    assert (front.knee.open_gates, front.knee.error) == (6, 1.0)
    assert "straight line between the front's two ends" in front.reason


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        (table([]), "no trial is feasible"),
        (table([(4, 1.0, Status.INFEASIBLE)]), "no trial is feasible"),
        (feasible((4, 1.0)), "a single point"),
        (feasible((4, 1.0), (4, 1.0), (4, 1.0)), "a single point"),
        (feasible((4, 1.0), (2, 2.0)), "two points"),
        (feasible((3, 1.0), (2, 2.0), (1, 3.0)), "straight line"),
        (feasible((9, 1.0), (8, 2.0), (1, 3.0)), "bulges"),
    ],
)
def test_without_a_knee_the_reason_is_given(trials, why):
    front = compute_front(trials)
    assert front.knee is None
    assert why in front.reason
