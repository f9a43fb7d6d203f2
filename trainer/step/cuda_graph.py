"""The step in place: the same operations on the same memory each time, so that a GPU can repeat it.

A GPU computes a small network's step faster than Python can ask for its hundreds of operations. A
CUDA graph records them once and repeats them without Python. For that, all a step reads and writes
stays at a fixed place on the device: the state, what the trials draw, and each trial's row in what
it has drawn, which the step advances by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trainer.objectives.measures import Observation
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.step.random import BLOCK, Draws

InPlaceStep = Callable[[], None]
"""A step that changes tensors in place."""

Recorder = Callable[[InPlaceStep, Sequence[Tensor]], InPlaceStep]
"""Takes a step and the tensors that it changes, and returns a step that does the same. Leaves all
tensors as they were."""

WARM_UP_STEPS = 3
"""Steps taken before one is recorded: libraries set themselves up in their first calls."""


class PureStepper(Protocol):
    """A stepper whose step is a pure function: `SingleStepper` or `Pack`."""

    draws: Draws

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Join the trials' states, in their order."""

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Return one trial's state, as it would be alone, in memory of its own."""

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read each trial's observation off the device."""

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; both arguments have a first dimension of trials."""


def eager(step: InPlaceStep, tensors: Sequence[Tensor]) -> InPlaceStep:
    """Return the step as it is: slower on a GPU, and the same on any device."""
    return step


def cuda_graph(step: InPlaceStep, tensors: Sequence[Tensor]) -> InPlaceStep:
    """Capture a step in a CUDA graph, and return the replay of that graph."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        warm_up(step, tensors)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def warm_up(step: InPlaceStep, tensors: Sequence[Tensor]) -> None:
    """Take a few steps, then restore what they changed."""
    before = [tensor.clone() for tensor in tensors]
    for _ in range(WARM_UP_STEPS):
        step()
    for tensor, value in zip(tensors, before, strict=True):
        tensor.copy_(value)


class InPlaceStepper:
    """A `Stepper` whose steps change one joint state in place.

    `join` and `advance` return the same tensors each time, and the measures are always those of
    the last step.

    Args:
        stepper: whose step is taken.
        recorder: how to repeat the step.
    """

    def __init__(self, stepper: PureStepper, recorder: Recorder) -> None:
        self._stepper = stepper
        self._recorder = recorder
        self._joint: TrainState
        self._measures: BatchMeasures
        self._rows: Tensor
        self._next_steps: list[int] = []
        self._step: InPlaceStep

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Copy the trials' states to their fixed place, and record the step."""
        joint = self._stepper.join(states)
        self._joint = pytree.tree_map(torch.clone, joint)
        self._rows = torch.zeros(len(states), dtype=torch.int64, device=joint.step.device)
        self._next_steps = []
        # A step whose outcome is not used, for memory of the measures' shape.
        _, self._measures = self._stepper.step(joint, *self._stepper.draws.at_rows(self._rows))
        self._step = self._recorder(self.step_in_place, self.tensors)
        return self._joint

    @property
    def tensors(self) -> list[Tensor]:
        """What a step changes."""
        return pytree.tree_leaves((self._joint, self._measures, self._rows))

    def split(self, joint: TrainState, index: int) -> TrainState:
        return self._stepper.split(joint, index)

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial, without waiting for the device; see `Stepper`."""
        assert joint is self._joint, "a state that this stepper does not hold"
        self.seek(steps)
        self._step()
        return self._joint, self._measures

    def seek(self, steps: Sequence[int]) -> None:
        """Make the next step draw for these step numbers; consecutive ones follow by themselves."""
        self._stepper.draws.draw(steps)
        if list(steps) != self._next_steps:
            self._rows.copy_(torch.tensor(steps) % BLOCK)
        self._next_steps = [step + 1 for step in steps]

    def step_in_place(self) -> None:
        """Take the step at the present rows, and move the rows on."""
        indices, noise = self._stepper.draws.at_rows(self._rows)
        joint, measures = self._stepper.step(self._joint, indices, noise)
        _write((self._joint, self._measures), (joint, measures))
        self._rows.add_(1).remainder_(BLOCK)

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        return self._stepper.observe(joint, measures)


def _write(targets: Any, values: Any) -> None:
    """Copy a tree of tensors over another, those of one type at once."""
    pairs = zip(pytree.tree_leaves(targets), pytree.tree_leaves(values), strict=True)
    for _, group in groupby(sorted(pairs, key=_type), key=_type):
        old, new = zip(*group, strict=True)
        torch._foreach_copy_(old, new)


def _type(pair: tuple[Tensor, Tensor]) -> str:
    return str(pair[0].dtype)
