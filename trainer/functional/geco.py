"""GECO's constraint and multiplier (section 3 and Algorithm 1, lines 14-21)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def multiplier(raw: Tensor) -> Tensor:
    """λ' = softplus(λ)² (line 21), which is positive and moves fast."""
    return F.softplus(raw).square()


def raw_multiplier(value: float) -> float:
    """Invert `multiplier`: the λ whose λ' is `value`."""
    root = math.sqrt(value)
    return root + math.log(-math.expm1(-root))


def moving_average(average: Tensor, value: Tensor, keep: Tensor, first: Tensor) -> Tensor:
    """keep·average + (1 − keep)·value, or just `value` where `first` (lines 15-19)."""
    return torch.where(first, value, keep * average + (1 - keep) * value)


def replace_value(average: Tensor, current: Tensor) -> Tensor:
    """C' = C + stop_gradient(C_ma − C), line 20: the average's value, the batch's gradient.

    A stop-gradient trick: the average steadies λ, while the detach lets θ and φ learn from the
    present batch alone.
    """
    return current + (average - current).detach()
