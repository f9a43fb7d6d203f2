"""GECO's constraint and multiplier (section 3 and Algorithm 1, lines 14-21)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def multiplier(raw: Tensor) -> Tensor:
    """λ' = softplus(λ)² (line 21), positive and quick to move."""
    return F.softplus(raw).square()


def raw_multiplier(value: float) -> float:
    """Invert `multiplier`: the λ whose λ' is `value`."""
    root = math.sqrt(value)
    return root + math.log(-math.expm1(-root))


def moving_average(average: Tensor, value: Tensor, keep: Tensor, first: Tensor) -> Tensor:
    """keep·average + (1 − keep)·value, or just `value` where `first` (lines 15-19)."""
    return torch.where(first, value, keep * average + (1 - keep) * value)


def with_value_of(average: Tensor, current: Tensor) -> Tensor:
    """C' = C + stop_gradient(C_ma − C): the average's value, the current one's gradient (line 20).

    The detach keeps backpropagation to this step's batch; the average smooths what λ sees.
    """
    return current + (average - current).detach()
