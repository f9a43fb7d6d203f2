"""How the steps of one trial, or of several together, are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer.objectives.measures import Observation, observe
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.step.compiled import StepFn, compiled_step
from trainer.step.cuda_graph import InPlaceStepper, cuda_graph
from trainer.step.pack import Pack
from trainer.step.random import Draws
from trainer.step.trial import Trial


class Stepper(Protocol):
    """Takes the steps of some trials, whose states are joined into one.

    The joint state belongs to the stepper, which may change it in place: only the state and
    measures that the last `advance` returned may be read.
    """

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Join the trials' states, in their order."""

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Return one trial's state, as it would be alone, in memory of its own."""

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; `steps` are their numbers, counted from 0."""

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read each trial's observation off the device."""


class SingleStepper:
    """The `Stepper` of one trial.

    Args:
        trial: the trial.
        step_fn: its step; None for the trial's own, uncompiled.
    """

    def __init__(self, trial: Trial, step_fn: StepFn | None = None) -> None:
        self._trial = trial
        self._step_fn = step_fn or trial.pure_step
        self.draws = Draws([trial.random], trial.spec.width)

    def join(self, states: Sequence[TrainState]) -> TrainState:
        return states[0]

    def split(self, joint: TrainState, index: int) -> TrainState:
        state: TrainState = pytree.tree_map(torch.clone, joint)
        return state

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        return self._step(joint, *self._trial.random.at(steps[0]))

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step; `indices` and `noise` have a first dimension of one trial."""
        return self._step(joint, indices[0], Noise(noise.epsilon[0], noise.uniform[0]))

    def _step(
        self, state: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        return self._step_fn(self._trial.constants, state, self._trial.images(indices), noise)

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        return [Observation(*observe(joint, measures, self._trial.constants).tolist())]


def make_stepper(trials: Sequence[Trial], *, compiled: bool = False) -> Stepper:
    """Choose how to train these trials: several as a pack, and on a GPU from a CUDA graph.

    Args:
        trials: to be trained together.
        compiled: whether to compile the step: only of one trial alone, on a CPU.

    Raises:
        UserError: if several cannot be of one pack, or the step cannot be compiled.
    """
    if compiled:
        (trial,) = trials
        return SingleStepper(trial, compiled_step(trial))
    stepper = SingleStepper(trials[0]) if len(trials) == 1 else Pack(trials)
    return InPlaceStepper(stepper, cuda_graph) if trials[0].device.type == "cuda" else stepper
