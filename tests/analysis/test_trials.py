import math
from pathlib import Path

import pytest

from analysis import read_trials
from sweeper.ledger.columns import TRIAL_SCHEMA
from trainer.errors import UserError
from trainer.verdict import Status


def test_rows_are_sorted_whichever_trial_finished_first(study_of, trial):
    asked = [trial(2.0, 1), trial(0.5, 1), trial(2.0, 0, width=8), trial(2.0, 0), trial(0.5, 0)]
    trials = read_trials(study_of(asked))
    keys = list(trials[["tau", "width", "seed"]].itertuples(index=False, name=None))
    assert keys == sorted((r.spec.tau, r.spec.width, r.spec.seed) for r in asked)
    assert list(trials.index) == list(range(5))


def test_the_ledgers_columns_come_first_and_keep_their_names(digits):
    trials = read_trials(digits)
    assert list(trials.columns[: len(TRIAL_SCHEMA)]) == TRIAL_SCHEMA.names
    assert list(trials.columns[len(TRIAL_SCHEMA) :]) == ["label", "tau_limit", "lambda_at_bound"]


def test_derived_columns(study_of, trial):
    asked = [trial(2.0, tolerance=0.1, multiplier=5.0 * (1 + 1e-6))]
    row = read_trials(study_of(asked)).iloc[0]
    assert row["label"] == "τ=2 width=16 seed=0"
    assert row["tau_limit"] == pytest.approx(2.2)
    assert row["lambda_at_bound"] == "upper"


@pytest.mark.parametrize(
    ("multiplier", "lambda_max", "bound"),
    [
        (5.0, 5.0, "upper"),
        (5.0, 50.0, ""),
        (4.9, 5.0, ""),
        (1e-5, 5.0, "lower"),
        (1.2e-5, 5.0, ""),
        (math.nan, 5.0, ""),
    ],
)
def test_lambda_at_bound_knows_the_trials_own_bounds(
    study_of, trial, multiplier, lambda_max, bound
):
    ledger = study_of([trial(multiplier=multiplier, lambda_max=lambda_max)])
    assert read_trials(ledger)["lambda_at_bound"].tolist() == [bound]


def test_a_study_without_trials_gives_the_columns_and_no_rows(study_of):
    trials = read_trials(study_of([]))
    assert trials.empty
    assert {"tau", "label", "tau_limit", "lambda_at_bound"} <= set(trials.columns)


def test_a_damaged_row_is_left_out(digits):
    next(Path(str(digits.trials)).glob("*.parquet")).write_bytes(b"PAR1 torn")
    assert len(read_trials(digits)) == 6


def test_a_failed_trials_numbers_stay_nan(study_of, trial):
    asked = trial(status=Status.FAILED, test_sse_sampled=math.nan, error="boom")
    row = read_trials(study_of([asked])).iloc[0]
    assert math.isnan(row["test_sse_sampled"])
    assert row["error"] == "boom"


def test_an_invalid_spec_is_refused(study_of, trial):
    with pytest.raises(UserError, match="tau"):
        study_of([trial(-1.0)])
