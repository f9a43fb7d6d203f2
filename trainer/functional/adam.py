"""Adam (Kingma & Ba 2015, Algorithm 1) as a pure function of a flat vector."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-8


class AdamState(NamedTuple):
    """Running moments of the gradient, each of the parameters' shape [size]."""

    first_moment: Tensor
    second_moment: Tensor


def init(parameters: Tensor) -> AdamState:
    """Return both moments at zero."""
    return AdamState(torch.zeros_like(parameters), torch.zeros_like(parameters))


def update(
    parameters: Tensor, gradient: Tensor, state: AdamState, step: Tensor, learning_rate: Tensor
) -> tuple[Tensor, AdamState]:
    """Move the parameters one step against `gradient`.

    Args:
        parameters: [size].
        gradient: [size].
        state: the moments so far.
        step: the number of this step, counted from 1, a scalar.
        learning_rate: a scalar.

    Returns:
        The new parameters and moments.
    """
    first = torch.lerp(state.first_moment, gradient, 1 - BETA_1)
    second = torch.addcmul(state.second_moment * BETA_2, gradient, gradient, value=1 - BETA_2)
    # In double: 1 − 0.999^t loses four digits in single precision at the first steps.
    count = step.double()
    correction_1 = (learning_rate / (1 - BETA_1**count)).to(parameters.dtype)
    correction_2 = (1 / (1 - BETA_2**count)).sqrt().to(parameters.dtype)
    moved = first / (second.sqrt() * correction_2 + EPSILON)
    return parameters - correction_1 * moved, AdamState(first, second)
