"""Trials that are trained together: the step of one, vectorised over all.

Small networks leave a processor idle between their many small operations. Stacked, trials share
them. No result depends on it: a trial draws its own random numbers, and its values never meet its
neighbours'.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer.errors import UserError
from trainer.functional.adam import AdamState
from trainer.objectives.gradients import functional_grad_and_value
from trainer.objectives.measures import Observation, observe
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import PACK_KEY, TrialSpec
from trainer.step.random import Draws
from trainer.step.trial import Trial

CLOSED_LOGIT = -100.0
"""The logit of a gate that pads a narrower trial: σ(kγ) is 0 in any precision."""


def packable(one: TrialSpec, other: TrialSpec) -> bool:
    """Return whether two trials can be of one pack."""
    return all(getattr(one, name) == getattr(other, name) for name in PACK_KEY)


class Pack:
    """The `Stepper` of trials of one kind; narrower ones are padded to the widest.

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
                    f"have the same {', '.join(PACK_KEY)}"
                )
        self._trials = tuple(trials)
        widest = max(trials, key=lambda trial: trial.spec.width)
        self._width = widest.spec.width
        self._network = widest.network
        self._indices = [
            self._network.indices_in_wider(trial.network).to(first.device) for trial in trials
        ]
        self._constants = _stack([self._pad_constants(trial) for trial in trials])
        self.draws = Draws([trial.random for trial in trials], self._width)
        step_of_one = partial(widest.pure_step, grad_and_value=functional_grad_and_value)
        self._step = torch.func.vmap(step_of_one)
        self._observe = torch.func.vmap(observe)

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Stack the trials' states, in their order: every tensor gets a first dimension of trials.

        Narrower trials are padded.
        """
        padded = [self._pad(*each) for each in zip(states, self._indices, strict=True)]
        joint: TrainState = _stack(padded)
        return joint

    def split(self, joint: TrainState, index: int) -> TrainState:
        state: TrainState = pytree.tree_map(lambda tensor: tensor[index].clone(), joint)
        return self._narrow(state, self._indices[index], self._trials[index].spec.width)

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        return self.step(joint, *self.draws.at(steps))

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial: pure, and without a look at a value."""
        images = self._trials[0].images(indices)
        joint, measures = self._step(self._constants, joint, images, noise)
        return joint, measures

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read each trial's observation, all in one transfer."""
        values: Tensor = self._observe(joint, measures, self._constants)
        return [Observation(*row) for row in values.tolist()]

    def _pad_constants(self, trial: Trial) -> Any:
        latent_mask = torch.zeros(self._width, dtype=torch.bool, device=trial.device)
        latent_mask[: trial.spec.width] = True
        return trial.constants._replace(latent_mask=latent_mask)

    def _pad(self, state: TrainState, indices: Tensor) -> TrainState:
        size, width = self._network.size, self._width
        narrow = state.gate_logits.shape[0]
        if narrow == width:
            return state

        def spread(values: Tensor, target: Tensor, full: Tensor) -> Tensor:
            full[target] = values
            return full

        gates = torch.arange(narrow, device=indices.device)
        moments = torch.cat([indices, size + gates, indices.new_tensor([size + width])])
        zeros = state.parameters.new_zeros
        return state._replace(
            parameters=spread(state.parameters, indices, zeros(size)),
            gate_logits=spread(state.gate_logits, gates, zeros(width).fill_(CLOSED_LOGIT)),
            adam=AdamState(
                *(spread(moment, moments, zeros(size + width + 1)) for moment in state.adam)
            ),
        )

    def _narrow(self, state: TrainState, indices: Tensor, narrow: int) -> TrainState:
        if narrow == self._width:
            return state
        size = self._network.size
        gates = torch.arange(narrow, device=indices.device)
        moments = torch.cat([indices, size + gates, indices.new_tensor([size + self._width])])
        return state._replace(
            parameters=state.parameters[indices],
            gate_logits=state.gate_logits[:narrow].clone(),
            adam=AdamState(*(moment[moments] for moment in state.adam)),
        )


def _stack(trees: Sequence[Any]) -> Any:
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *trees)
