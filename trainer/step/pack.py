"""Trials that are trained as one program: the step of one, vectorised over all.

Small networks leave a processor idle between their many small operations. Stacked, trials share
them. No result depends on it: a trial draws its own random numbers, and its values never meet its
neighbours'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer.errors import UserError
from trainer.functional.adam import AdamState
from trainer.objectives import OBJECTIVES
from trainer.objectives.gradients import functional_grad_and_value
from trainer.objectives.measures import Observation, observe
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import PACKED, TrialSpec
from trainer.step.random import Draws
from trainer.step.trial import Trial

CLOSED = -100.0
"""The logit of a gate that is not there: σ(kγ) is 0 in any precision."""


def packable(one: TrialSpec, other: TrialSpec) -> bool:
    """Whether two trials can be of one pack."""
    return all(getattr(one, name) == getattr(other, name) for name in PACKED)


class Pack:
    """Trials of one kind; narrower ones are padded to the widest, with gates that are not there.

    Args:
        trials: at least one, on one device.

    Raises:
        UserError: if they cannot be of one pack.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        first = trials[0]
        for trial in trials:
            if not packable(first.spec, trial.spec):
                raise UserError(
                    f"{first.spec.label} and {trial.spec.label} cannot be of one pack: they must "
                    f"have the same {', '.join(PACKED)}"
                )
        self._trials = tuple(trials)
        widest = max(trials, key=lambda trial: trial.spec.width)
        self._width = widest.spec.width
        self._network = widest.network
        self._places = [self._network.places(trial.network).to(first.device) for trial in trials]
        self._constants = _stack([self._pad_constants(trial) for trial in trials])
        self.draws = Draws([trial.random for trial in trials], self._width)
        self._step = torch.func.vmap(self._step_of_one)
        self._observe = torch.func.vmap(observe)

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Stack the trials' states, in their order: every tensor gets a first dimension more."""
        padded = [self._pad(*each) for each in zip(states, self._places, strict=True)]
        joint: TrainState = _stack(padded)
        return joint

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give one trial's state, as it would be alone."""
        state: TrainState = pytree.tree_map(lambda tensor: tensor[index].clone(), joint)
        return self._narrow(state, self._places[index], self._trials[index].spec.width)

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; `steps` are their numbers, counted from 0."""
        return self.step(joint, *self.draws.at(steps))

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step on these images with these numbers: pure, and with no look at a value."""
        images = self._trials[0].images(indices)
        joint, measures = self._step(self._constants, joint, images, noise)
        return joint, measures

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what each trial has come to, in one transfer."""
        values: Tensor = self._observe(joint, measures, self._constants)
        return [Observation(*row) for row in values.tolist()]

    def _step_of_one(
        self, constants: Any, state: TrainState, images: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        step = OBJECTIVES.find(self._trials[0].spec.objective).step(self._network)
        return step(constants, state, images, noise, functional_grad_and_value)

    def _pad_constants(self, trial: Trial) -> Any:
        exists = torch.zeros(self._width, dtype=torch.bool, device=trial.device)
        exists[: trial.spec.width] = True
        return trial.constants._replace(exists=exists)

    def _pad(self, state: TrainState, places: Tensor) -> TrainState:
        size, width = self._network.size, self._width
        narrow = state.gate_logits.shape[0]
        if narrow == width:
            return state

        def spread(values: Tensor, place: Tensor, full: Tensor) -> Tensor:
            full[place] = values
            return full

        gates = torch.arange(narrow, device=places.device)
        moments = torch.cat([places, size + gates, places.new_tensor([size + width])])
        zeros = state.parameters.new_zeros
        return state._replace(
            parameters=spread(state.parameters, places, zeros(size)),
            gate_logits=spread(state.gate_logits, gates, zeros(width).fill_(CLOSED)),
            adam=AdamState(
                *(spread(moment, moments, zeros(size + width + 1)) for moment in state.adam)
            ),
        )

    def _narrow(self, state: TrainState, places: Tensor, narrow: int) -> TrainState:
        if narrow == self._width:
            return state
        size = self._network.size
        gates = torch.arange(narrow, device=places.device)
        moments = torch.cat([places, size + gates, places.new_tensor([size + self._width])])
        return state._replace(
            parameters=state.parameters[places],
            gate_logits=state.gate_logits[:narrow].clone(),
            adam=AdamState(*(moment[moments] for moment in state.adam)),
        )


def _stack(trees: Sequence[Any]) -> Any:
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)
