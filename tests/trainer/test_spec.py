"""Specs: their identity, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer import Status, TrialSpec, UserError
from trainer.verdict import decide


def test_equal_specs_have_equal_ids_in_any_spelling(make_spec: Any) -> None:
    assert make_spec(tau=3).trial_id == make_spec(tau=3.0, layers=[32, 16]).trial_id
    assert make_spec() == TrialSpec.from_json(make_spec().to_json())


@pytest.mark.parametrize(
    "change",
    [
        {"tau": 2.1}, {"width": 9}, {"seed": 1}, {"steps": 201}, {"layers": (32,)},
        {"dataset_sha256": "f" * 64}, {"k": 6.0}, {"tolerance": 0.05}, {"batch_size": 32},
    ],
)  # fmt: skip
def test_each_field_changes_the_id(change: dict[str, Any], make_spec: Any) -> None:
    assert make_spec(**change).trial_id != make_spec().trial_id


def test_ids_do_not_change_between_versions() -> None:
    """Ledgers outlive versions: this id is never to change."""
    spec = TrialSpec(
        dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(128, 64),
        tau=1.5, width=16, seed=0, steps=8000,
    )  # fmt: skip
    assert spec.trial_id == "1faba83d9be8c2c4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tau": -1.0}, "tau"), ({"tau": math.nan}, "tau"),
        ({"tau": math.inf}, "tau"), ({"width": 0}, "width"), ({"width": 2.5}, "width"),
        ({"steps": 0}, "steps"), ({"seed": -1}, "seed"), ({"layers": ()}, "layers"),
        ({"layers": (4, 0)}, "layers"), ({"alpha": 1.0}, "alpha"), ({"batch_size": 0}, "batch"),
        ({"lambda_min": 6.0}, "lambda_max"), ({"learning_rate": 0.0}, "learning_rate"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(
    change: dict[str, Any], words: str, make_spec: Any
) -> None:
    with pytest.raises(UserError, match=words):
        make_spec(**change)


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        ({}, Status.FEASIBLE),
        ({"finite": False, "constraint_ma": math.nan}, Status.DIVERGED),
        ({"constraint_ma": 0.061}, Status.INFEASIBLE),
        ({"constraint_ma": 0.059}, Status.FEASIBLE),
        ({"constraint_ma": 0.061, "settled_step": 200}, Status.INFEASIBLE),
        ({"open_probabilities": [0.5, 0.99]}, Status.UNSETTLED),
        ({"open_probabilities": [0.1, 0.99]}, Status.UNSETTLED),
        ({"open_probabilities": [0.09, 0.91]}, Status.FEASIBLE),
        ({"settled_step": 181}, Status.UNSETTLED),
        ({"settled_step": 180}, Status.FEASIBLE),
    ],
)
def test_the_first_status_that_applies_is_returned(
    seen: dict[str, Any], status: Status, make_spec: Any
) -> None:
    settled: dict[str, Any] = {
        "finite": True, "constraint_ma": 0.0, "open_probabilities": [0.01, 0.99],
        "settled_step": 100,
    }  # fmt: skip
    assert decide(make_spec(tau=2.0, steps=200), **(settled | seen)) is status
