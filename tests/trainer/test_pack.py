"""Packs: every member is what it would be alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from members import CPU, assert_same, hooks_in, interrupt, others, trials_of

from trainer import Status, TrialSpec, UserError
from trainer.data import Dataset
from trainer.objectives import OBJECTIVES
from trainer.step.pack import Pack
from trainer.step.trial import Trial
from trainer.training.loop import Hooks, Trained, train, train_together

CLOSE = {"rtol": 1e-7, "atol": 1e-9}


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_a_packed_trial_equals_the_trial_alone(
    objective: str, kind: tuple[Dataset, TrialSpec]
) -> None:
    """In float64 after 30 steps, the BatchNorm statistics and Adam's moments included."""
    dataset, spec = kind
    specs = others(dataclasses.replace(spec, objective=objective))
    trials = trials_of(specs, dataset)
    pack = Pack(trials)
    alone = [trial.initial_state() for trial in trials]
    joint = pack.join(alone)
    for step in range(30):
        joint, measures = pack.advance(joint, [step] * 3)
        alone = [trial.advance(state, step)[0] for trial, state in zip(trials, alone, strict=True)]
    assert any(bool(state.hit) for state in alone), "no trial got as far as its gates"
    for index, state in enumerate(alone):
        assert_same(pack.split(joint, index), state, **CLOSE)
    for observed, state in zip(pack.observe(joint, measures), alone, strict=True):
        assert observed.open_gates == int(state.open_gates)
        assert observed.constraint_ma == pytest.approx(state.constraint_ma.item(), rel=1e-7)


def test_joining_then_splitting_returns_the_same_states(kind: tuple[Dataset, TrialSpec]) -> None:
    dataset, spec = kind
    trials = trials_of(others(spec), dataset, torch.float32)
    states = [trial.advance(trial.initial_state(), 0)[0] for trial in trials]
    pack = Pack(trials)
    joint = pack.join(states)
    for index, state in enumerate(states):
        assert_same(pack.split(joint, index), state)


def test_a_member_that_diverges_leaves_its_neighbours_bits_unchanged(
    digits: Dataset, make_spec: Any
) -> None:
    specs = [make_spec(seed=seed, steps=80) for seed in range(3)]
    wild = [specs[0], dataclasses.replace(specs[1], learning_rate=1e30), specs[2]]
    calm, disturbed = (_train(which, digits) for which in (specs, wild))
    assert disturbed[1].result.status is Status.DIVERGED
    assert len(disturbed[1].curve) < 80
    for index in (0, 2):
        assert_same(calm[index].state, disturbed[index].state)


def test_members_end_when_their_own_steps_are_done(digits: Dataset, make_spec: Any) -> None:
    specs = [make_spec(seed=seed, steps=steps) for seed, steps in enumerate((30, 70))]
    for spec, trained in zip(specs, _train(specs, digits, torch.float64), strict=True):
        assert trained.curve[-1].step == int(trained.state.step) == spec.steps
        alone = train(Trial(spec, digits, CPU, torch.float64))
        assert_same(trained.state, alone.state, **CLOSE)


def test_a_checkpoint_of_a_pack_continues_alone_and_the_reverse(
    kind: tuple[Dataset, TrialSpec], tmp_path: Path
) -> None:
    """Begun in a pack, gone on alone; begun alone, gone on in a pack, each at its own step."""
    dataset, spec = kind
    specs = others(spec)
    whole = [train(trial) for trial in trials_of(specs, dataset)]
    interrupt(specs, dataset, tmp_path / "pack", after=20)
    for index, trial in enumerate(trials_of(specs, dataset)):
        went_on = train(trial, hooks_in(trial.spec, tmp_path / "pack"))
        assert_same(went_on.state, whole[index].state, **CLOSE)
    for index, each in enumerate(specs[:2]):
        interrupt([each], dataset, tmp_path / "alone", after=10 + 5 * index)
    trials = trials_of(specs, dataset)
    hooks = [hooks_in(trial.spec, tmp_path / "alone") for trial in trials]
    for together, one in zip(train_together(trials, hooks), whole, strict=True):
        assert_same(together.state, one.state, **CLOSE)


@pytest.mark.parametrize("change", [{"layers": (32,)}, {"batch_size": 4}, {"objective": "geco"}])
def test_trials_of_different_kinds_cannot_be_packed(
    change: dict[str, Any], digits: Dataset, make_spec: Any
) -> None:
    trials = trials_of([make_spec(), make_spec(**change)], digits)
    with pytest.raises(UserError, match="cannot be of one pack"):
        Pack(trials)


def _train(
    specs: Sequence[TrialSpec], dataset: Dataset, dtype: torch.dtype = torch.float32
) -> list[Trained]:
    return train_together(trials_of(specs, dataset, dtype), [Hooks() for _ in specs])
