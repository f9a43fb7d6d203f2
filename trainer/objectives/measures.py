"""The curve of a trial: its measures, sampled while it trains."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainer.functional import gates, geco
from trainer.objectives import Constants
from trainer.objectives.state import BatchMeasures, TrainState

POINTS = 400
"""About the number of points of a curve, however long the trial."""


class CurvePoint(NamedTuple):
    """One sample; its fields are the columns of the ledger's curves, in their order."""

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
    """Return the number of steps between two points, for a trial of so many steps."""
    return max(1, steps // POINTS)


class Observation(NamedTuple):
    """One transfer from the device: the quantities of a curve point, and `finite` as 0 or 1."""

    sse: float
    constraint_ma: float
    hit_rate: float
    gate_l1: float
    open_gates: float
    multiplier: float
    kl: float
    finite: float

    def point(self, step: int, seconds: float) -> CurvePoint:
        """Return it as a point of the curve."""
        values = self._asdict()
        del values["finite"]
        values["open_gates"] = int(self.open_gates)
        return CurvePoint(step=step, seconds=seconds, **values)


def observe(state: TrainState, measures: BatchMeasures, constants: Constants) -> Tensor:
    """Return an `Observation` as one tensor on the device, [8]: reading it takes one transfer."""
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
    """Return whether every loss, gradient and parameter so far was finite: a boolean scalar.

    Once a value is not finite, neither are Adam's moments or the moving averages, for good: so it
    is enough to look now and then.
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
