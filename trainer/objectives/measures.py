"""The course of a trial, sampled while it trains."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.functional import gates, geco
from trainer.objectives import Constants
from trainer.objectives.state import BatchMeasures, TrainState

POINTS = 400
"""About how many points a curve has, however long the trial."""


class CurvePoint(NamedTuple):
    """One sample. Field by field a column of the ledger's curves."""

    step: int
    sse: float
    constraint_ma: float
    hit_rate: float
    gate_l1: float
    open_gates: int
    multiplier: float
    kl: float
    seconds: float


def interval(steps: int) -> int:
    """Choose how many steps lie between two points of a trial of so many steps."""
    return max(1, steps // POINTS)


class Observation(NamedTuple):
    """What is read off the device now and then: the quantities of a point, and `finite`."""

    sse: float
    constraint_ma: float
    hit_rate: float
    gate_l1: float
    open_gates: float
    multiplier: float
    kl: float
    finite: float

    def point(self, step: int, seconds: float) -> CurvePoint:
        """Make it a point of the curve."""
        values = self._asdict()
        del values["finite"]
        values["open_gates"] = int(self.open_gates)
        return CurvePoint(step=step, seconds=seconds, **values)


def observe(state: TrainState, measures: BatchMeasures, constants: Constants) -> Tensor:
    """Gather an `Observation` on the device, so that it takes one transfer: [8]."""
    return torch.stack(
        [
            measures.errors.mean(),
            state.constraint_ma,
            (measures.errors <= constants.tau).to(measures.errors.dtype).mean(),
            gates.open_probability(state.gate_logits, constants.k).sum(),
            state.open_gates.to(measures.errors.dtype),
            geco.multiplier(state.multiplier),
            measures.kl.mean(),
            finite(state).to(measures.errors.dtype),
        ]
    )


def finite(state: TrainState) -> Tensor:
    """Tell whether every loss, gradient and parameter so far was finite.

    A value that is not finite never leaves Adam's first moment or the moving average again, so
    looking now and then misses none. A boolean scalar.
    """
    probe = torch.stack(
        [
            state.parameters.sum(),
            state.adam.first_moment.sum(),
            state.adam.second_moment.sum(),
            state.constraint_ma,
            state.kl,
        ]
    )
    return probe.isfinite().all()
