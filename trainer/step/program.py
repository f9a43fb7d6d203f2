"""How the steps of one trial, or of several together, are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer.objectives.measures import Observation, observe
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.step.compiled import Take, compiled_step
from trainer.step.cuda_graph import Replay, captured
from trainer.step.pack import Pack
from trainer.step.random import Draws
from trainer.step.trial import Trial


class Program(Protocol):
    """Takes the steps of some trials, whose states are joined into one.

    The joint state is the program's, which may change it in place: of several, only what the last
    `advance` gave, state and measures, is to be read.
    """

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Join the trials' states, in their order."""

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give one trial's state, as it would be alone, in memory of its own."""

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; `steps` are their numbers, counted from 0."""

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what each trial has come to."""


class Solo:
    """The program of one trial: nothing to join.

    Args:
        trial: to be trained.
        take: how to take a step of it; None for as it stands.
    """

    def __init__(self, trial: Trial, take: Take | None = None) -> None:
        self._trial = trial
        self._take = take or trial.pure_step
        self.draws = Draws([trial.random], trial.spec.width)

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Take the only one."""
        return states[0]

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give a copy of it."""
        state: TrainState = pytree.tree_map(torch.clone, joint)
        return state

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take the trial's own step."""
        return self._on(joint, *self._trial.random.at(steps[0]))

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step on these images with these numbers, both [1, …]."""
        alone = Noise(noise.epsilon[0], noise.uniform[0])
        return self._on(joint, indices[0], alone)

    def _on(
        self, state: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        return self._take(self._trial.constants, state, self._trial.images(indices), noise)

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what the trial has come to."""
        return [Observation(*observe(joint, measures, self._trial.constants).tolist())]


def program_of(trials: Sequence[Trial], *, compiled: bool = False) -> Program:
    """Choose how to train these trials: one alone needs no vectorised step, a GPU a recorded one.

    Args:
        trials: to be trained together.
        compiled: whether to compile the step, which is done for one trial alone, on a CPU.

    Raises:
        UserError: if several cannot be of one pack, or the step cannot be compiled.
    """
    if compiled:
        (trial,) = trials
        return Solo(trial, compiled_step(trial))
    program = Solo(trials[0]) if len(trials) == 1 else Pack(trials)
    return Replay(program, captured) if trials[0].device.type == "cuda" else program
