"""Trials that are trained together, and what tests ask of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch.utils import _pytree as pytree

from trainer import TrialSpec
from trainer.data import Dataset
from trainer.local_folder import LocalFolder
from trainer.objectives.state import TrainState
from trainer.step.trial import Trial
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.loop import Hooks, Interrupted, train_together

CPU = torch.device("cpu")


def others(spec: TrialSpec) -> list[TrialSpec]:
    """Three trials that differ in all that members of a pack may differ in."""
    return [
        dataclasses.replace(spec, tau=0.8 * spec.tau, seed=1),
        dataclasses.replace(spec, width=spec.width + 3, seed=2, lambda_max=3.0),
        dataclasses.replace(spec, tau=1.2 * spec.tau, width=spec.width + 1, k=5.0, alpha=0.9),
    ]


def trials_of(
    specs: Sequence[TrialSpec],
    dataset: Dataset,
    dtype: torch.dtype = torch.float64,
    device: torch.device = CPU,
) -> list[Trial]:
    return [Trial(spec, dataset, device, dtype) for spec in specs]


def assert_same(one: TrainState, other: TrainState, **close: float) -> None:
    for a, b in zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True):
        torch.testing.assert_close(a, b, **(close or {"rtol": 0, "atol": 0}))


def hooks_in(spec: TrialSpec, folder: Path) -> Hooks:
    return Hooks(checkpoints=CheckpointFolder(LocalFolder(folder / spec.trial_id), spec.trial_id))


def interrupt(
    specs: Sequence[TrialSpec],
    dataset: Dataset,
    folder: Path,
    after: int,
    dtype: torch.dtype = torch.float64,
    *,
    compiled: bool = False,
) -> None:
    asked = itertools.count()
    hooks = [hooks_in(spec, folder) for spec in specs]
    hooks[0] = dataclasses.replace(hooks[0], should_stop=lambda: next(asked) >= after)
    with pytest.raises(Interrupted):
        train_together(trials_of(specs, dataset, dtype), hooks, compiled=compiled)
