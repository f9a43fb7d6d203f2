import math
from pathlib import Path

import pytest

from analysis import StudyData, compute_report
from trainer.verdict import Status


def report_of(ledger):
    return compute_report(StudyData.read(ledger))


def answer_of(ledger):
    return report_of(ledger).answer


def titles(ledger):
    return [warning.title for warning in report_of(ledger).warnings]


def only(ledger):
    (warning,) = report_of(ledger).warnings
    return warning


def test_a_clean_study_has_no_warnings(digits):
    assert titles(digits) == []


def test_an_infeasible_trial_has_advice_what_to_try(study_of, trial):
    warning = only(study_of([trial(0.5, status=Status.INFEASIBLE, constraint_ma=0.04)]))
    assert "1 trial did not hold τ" in warning.title
    assert "Raise τ" in warning.advice
    assert "--steps" in warning.advice
    assert warning.details == (
        ("τ=0.5 width=16 seed=0", "ended 0.04 above τ, 12 of 16 gates open"),
    )


def test_unsettled_diverged_and_failed_trials_have_their_own_warnings(study_of, trial):
    asked = [
        trial(1.0, status=Status.UNSETTLED),
        trial(1.5, status=Status.DIVERGED, error="loss is NaN"),
        trial(2.0, status=Status.FAILED, error="RuntimeError: out of memory"),
        trial(2.5, status=Status.FAILED),
    ]
    failed, *_ = warnings = report_of(study_of(asked)).warnings
    assert [warning.title for warning in warnings] == [
        "2 trials failed",
        "1 trial diverged",
        "1 trial had not settled",
    ]
    assert failed.details[0] == ("τ=2 width=16 seed=0", "RuntimeError: out of memory")
    assert failed.details[1] == ("τ=2.5 width=16 seed=0", "no error was recorded")


def test_counts_stay_whole_beside_a_trial_that_has_none(study_of, trial, failed):
    asked = [
        failed(0.4),
        trial(0.5, status=Status.INFEASIBLE, open_gates=16, constraint_ma=0.04),
        trial(1.0, status=Status.UNSETTLED),
    ]
    _, infeasible, unsettled = report_of(study_of(asked)).warnings
    assert infeasible.details[0][1] == "ended 0.04 above τ, 16 of 16 gates open"
    assert unsettled.details[0][1].startswith("last change at step 5200 of 8000")


def test_waiting_trials_count_as_missing(study_of, trial):
    assert (
        "2 of the 3 trials"
        in only(study_of([trial(1.5)], waiting=["a gated trial", "another"])).title
    )


@pytest.mark.parametrize(("multiplier", "bound"), [(5.0, "upper"), (1e-5, "lower")])
def test_lambda_at_a_bound_is_warned_of(study_of, trial, multiplier, bound):
    warning = only(study_of([trial(multiplier=multiplier)]))
    assert warning.title == "1 trial ended with λ' at a bound"
    assert warning.details[0][1] == f"at its {bound} bound"


def test_a_held_out_error_above_tau_is_warned_of(study_of, trial):
    within = trial(1.0, test_sse_sampled=1.02)  # inside the tolerance of 3%
    above = trial(1.5, test_sse_sampled=1.62, test_sse_mean=1.4)
    warning = only(study_of([within, above]))
    assert warning.details == (("τ=1.5 width=16 seed=0", "1.62 sampled, 1.4 mean"),)


def test_missing_trials_are_counted(study_of, trial):
    asked = [trial(tau).spec.trial_id for tau in (1.5, 2.0)]
    assert "1 of the 2 trials" in only(study_of([trial(1.5)], asked=asked)).title
    assert titles(study_of([trial(1.5), trial(2.0)], asked=asked)) == []


def test_damaged_rows_are_named(digits):
    path = sorted(Path(str(digits.trials)).glob("*.parquet"))[0]
    path.write_bytes(b"torn")
    damaged, missing = report_of(digits).warnings
    assert damaged.title == "1 row of the ledger cannot be read"
    assert damaged.details[0][0] == path.name
    assert "1 of the 7" in missing.title


def test_points_of_few_seeds_and_closed_bottlenecks_are_warned_of(study_of, trial):
    asked = [trial(4.8, 0, open_gates=0), trial(4.8, 1, status=Status.UNSETTLED)]
    unsettled, none, few = report_of(study_of(asked)).warnings
    assert "settled" in unsettled.title
    assert few.details == (("τ=4.8 width=16", "1 of 2 feasible"),)
    assert "lower τ" in none.advice


def test_the_answer_is_the_knee(digits):
    answer = answer_of(digits)
    assert answer.headline == (
        "On digits, 4 of 16 dimensions suffice for a squared error of 1.47 per held-out image "
        "(τ = 1.5)."
    )
    assert "knee" in answer.reason
    assert answer.point is not None


def test_the_answer_is_the_only_point(study_of, trial):
    answer = answer_of(study_of([trial(3.5)]))
    assert "1 of 16 dimensions suffices" in answer.headline
    assert "single point" in answer.reason


def test_without_a_knee_the_answer_is_the_range_and_how_to_choose(study_of, trial):
    answer = answer_of(study_of([trial(1.0), trial(2.5)]))
    assert "runs from 6 of 16 dimensions" in answer.headline
    assert "Choose" in answer.reason
    assert answer.point is None


def test_without_a_feasible_trial_the_answer_is_what_to_try(study_of, trial):
    asked = [trial(0.1 * n, status=Status.INFEASIBLE) for n in (1, 2)]
    asked.append(trial(0.3, status=Status.FAILED, error="x"))
    answer = answer_of(study_of(asked))
    assert "no front" in answer.headline
    assert "2 infeasible, 1 failed" in answer.reason
    assert "Raise τ" in answer.reason


def test_without_any_trial_the_answer_is_to_go_on(study_of):
    answer = answer_of(study_of([]))
    assert answer.headline == "No trial on digits has finished yet."
    assert "same command again" in answer.reason


def test_feasible_trials_without_a_held_out_error_give_no_front(study_of, trial):
    answer = answer_of(study_of([trial(test_sse_sampled=math.nan)]))
    assert "no finite held-out error" in answer.reason
