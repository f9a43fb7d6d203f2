"""The step in place: the same operations on the same memory each time, so that a GPU can repeat it.

A GPU computes a small network's step faster than Python can ask for its hundreds of operations. A
CUDA graph has them asked for once and repeats them without Python. For that, all a step reads and
writes has its fixed place on the device: the state, what the trials draw, and each trial's row in
what it has drawn, which the step moves on by itself.
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

Tick = Callable[[], None]
"""Changes tensors in place."""

Record = Callable[[Tick, Sequence[Tensor]], Tick]
"""Takes a tick and the tensors that it changes; gives what does the same. Changes no tensor."""

WARM_UP = 3
"""Ticks before one is recorded: libraries set themselves up in their first calls."""


class Steps(Protocol):
    """A program whose step is a pure function: `Solo` or `Pack`."""

    draws: Draws

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Join the trials' states, in their order."""

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give one trial's state, as it would be alone, in memory of its own."""

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what each trial has come to."""

    def step(
        self, joint: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; both arguments have a first dimension of trials."""


def directly(tick: Tick, tensors: Sequence[Tensor]) -> Tick:
    """Take each tick as it stands: slower on a GPU, and the same on any device."""
    return tick


def captured(tick: Tick, tensors: Sequence[Tensor]) -> Tick:
    """Capture a tick in a CUDA graph, and give what replays it."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        warm_up(tick, tensors)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        tick()
    return graph.replay


def warm_up(tick: Tick, tensors: Sequence[Tensor]) -> None:
    """Take a few ticks that leave no trace: what they change is put back."""
    before = [tensor.clone() for tensor in tensors]
    for _ in range(WARM_UP):
        tick()
    for tensor, value in zip(tensors, before, strict=True):
        tensor.copy_(value)


class Replay:
    """A program whose steps change one joint state in place.

    That state is the program's own: what `join` and `advance` give is always the same tensors, and
    the measures too are those of the last step alone.

    Args:
        program: whose step is taken.
        record: how to repeat the tick.
    """

    def __init__(self, program: Steps, record: Record) -> None:
        self._program = program
        self._record = record
        self._joint: TrainState
        self._measures: BatchMeasures
        self._rows: Tensor
        self._aimed: list[int] = []
        self._take: Tick

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """Give the trials' states, in their order, their place, and record the step."""
        joint = self._program.join(states)
        self._joint = pytree.tree_map(torch.clone, joint)
        self._rows = torch.zeros(len(states), dtype=torch.int64, device=joint.step.device)
        self._aimed = []
        # A step whose outcome is not used, for memory of the measures' shape.
        _, self._measures = self._program.step(joint, *self._program.draws.at_rows(self._rows))
        self._take = self._record(self.tick, self.tensors)
        return self._joint

    @property
    def tensors(self) -> list[Tensor]:
        """What a tick changes."""
        return pytree.tree_leaves((self._joint, self._measures, self._rows))

    def split(self, joint: TrainState, index: int) -> TrainState:
        """Give one trial's state, as it would be alone; later steps leave it as it is."""
        return self._program.split(joint, index)

    def advance(self, joint: TrainState, steps: Sequence[int]) -> tuple[TrainState, BatchMeasures]:
        """Take a step of every trial; `steps` are their numbers, counted from 0.

        Does not wait for the device.
        """
        assert joint is self._joint, "a state that this program does not hold"
        self.aim(steps)
        self._take()
        return self._joint, self._measures

    def aim(self, steps: Sequence[int]) -> None:
        """Make the next tick take these steps, which it does by itself where they follow on."""
        self._program.draws.draw(steps)
        if list(steps) != self._aimed:
            self._rows.copy_(torch.tensor(steps) % BLOCK)
        self._aimed = [step + 1 for step in steps]

    def tick(self) -> None:
        """Take the step at the present rows, in place."""
        indices, noise = self._program.draws.at_rows(self._rows)
        joint, measures = self._program.step(self._joint, indices, noise)
        _write((self._joint, self._measures), (joint, measures))
        self._rows.add_(1).remainder_(BLOCK)

    def observe(self, joint: TrainState, measures: BatchMeasures) -> list[Observation]:
        """Read what each trial has come to."""
        return self._program.observe(joint, measures)


def _write(places: Any, values: Any) -> None:
    """Copy a tree of tensors over another, those of a type at once."""
    pairs = zip(pytree.tree_leaves(places), pytree.tree_leaves(values), strict=True)
    for _, group in groupby(sorted(pairs, key=_type), key=_type):
        old, new = zip(*group, strict=True)
        torch._foreach_copy_(old, new)


def _type(pair: tuple[Tensor, Tensor]) -> str:
    return str(pair[0].dtype)
