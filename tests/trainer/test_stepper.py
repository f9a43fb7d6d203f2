"""Which stepper trains which trials."""

from __future__ import annotations

from typing import Any

import pytest
from members import others, trials_of

from trainer.data import Dataset
from trainer.step.compiled import worth_compiling
from trainer.step.pack import Pack
from trainer.step.stepper import SingleStepper, make_stepper
from trainer.training.loop import Hooks, train_together


def test_on_a_cpu_steps_are_plain(digits: Dataset, make_spec: Any) -> None:
    trials = trials_of(others(make_spec()), digits)
    assert isinstance(make_stepper(trials), Pack)
    assert isinstance(make_stepper(trials[:1]), SingleStepper)


def test_packed_trials_are_not_compiled(digits: Dataset, make_spec: Any) -> None:
    specs = others(make_spec(steps=20))[:2]
    trials = trials_of(specs, digits)
    for trained in train_together(trials, [Hooks(), Hooks()]):
        assert trained.result.compiled is False
    with pytest.raises(ValueError, match="too many values"):
        make_stepper(trials, compiled=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"steps": 29_999}, False), ({"steps": 30_000}, True),
     ({"architecture": "conv28", "layers": (4, 4, 4), "steps": 4_999}, False),
     ({"architecture": "conv28", "layers": (4, 4, 4), "steps": 5_000}, True)],
)  # fmt: skip
def test_only_long_trials_are_worth_compiling(
    changes: dict[str, Any], expected: bool, make_spec: Any
) -> None:
    assert worth_compiling(make_spec(**changes)) is expected
