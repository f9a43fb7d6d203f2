"""The course of a trial, sampled while it trains."""

from __future__ import annotations

from typing import NamedTuple

import torch

from trainer.functional import gates, geco
from trainer.objectives import Constants
from trainer.state import BatchMeasures, TrainState

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


def sample(
    state: TrainState, measures: BatchMeasures, constants: Constants, step: int, seconds: float
) -> CurvePoint:
    """Read a point off the device, in one transfer."""
    values = torch.stack(
        [
            measures.errors.mean(),
            state.constraint_ma,
            (measures.errors <= constants.tau).to(measures.errors.dtype).mean(),
            gates.open_probability(state.gate_logits, constants.k).sum(),
            geco.multiplier(state.multiplier),
            measures.kl.mean(),
            state.open_gates.to(measures.errors.dtype),
        ]
    )
    sse, constraint_ma, hit_rate, gate_l1, multiplier, kl, open_gates = values.tolist()
    return CurvePoint(
        step=step,
        sse=sse,
        constraint_ma=constraint_ma,
        hit_rate=hit_rate,
        gate_l1=gate_l1,
        open_gates=int(open_gates),
        multiplier=multiplier,
        kl=kl,
        seconds=seconds,
    )


def is_finite(state: TrainState) -> bool:
    """Tell whether every loss, gradient and parameter so far was finite.

    A value that is not finite never leaves Adam's first moment or the moving average again, so
    looking now and then misses none.
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
    return bool(probe.isfinite().all())
