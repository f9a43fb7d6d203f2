"""How the steps of one trial, or of several together, are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trainer.curve import Observation, observe
from trainer.pack import Pack
from trainer.state import BatchMeasures, TrainState
from trainer.trial import Trial


class Program(Protocol):
    """Takes the steps of some trials, whose states are joined into one."""

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Join the trials' states, in their order."""

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give one trial's state, as it would be alone."""

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; `steps` are their numbers, counted from 0."""

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what each trial has come to."""


class Solo:
    """The program of one trial: nothing to join."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Take the only one."""
        return states[0]

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give it back."""
        return joint

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take the trial's own step."""
        return self._trial.advance(joint, steps[0])

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what the trial has come to."""
        return [Observation(*observe(joint, measures, self._trial.constants).tolist())]


def program_of(trials: Sequence[Trial]) -> Program:
    """Choose how to train these trials: one alone needs no vectorised step.

    Raises:
        UserError: if several cannot be of one pack.
    """
    return Solo(trials[0]) if len(trials) == 1 else Pack(trials)
