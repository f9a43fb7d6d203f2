"""Differentiation of a pure function, by the eager autograd engine.

`torch.func.grad_and_value` works under `torch.func.vmap`, but its interpreter makes a small
network's step half again as slow. `grad_and_value` below has the same signature, so that one pure
loss works with both: the step takes either as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Loss = Callable[..., tuple[Tensor, Any]]
"""(variables, ...) → (scalar loss, anything else it computed)."""

GradAndValue = Callable[[Loss], Callable[..., tuple[Any, tuple[Tensor, Any]]]]
"""Loss → function of the same arguments that returns (gradient, (loss, rest))."""


def grad_and_value(loss: Loss) -> Callable[..., tuple[Any, tuple[Tensor, Any]]]:
    """Differentiate `loss` with respect to its first argument, a named tuple of tensors.

    Anything the loss returns besides its value must be detached. A variable that the loss does not
    depend on has gradient zero.
    """

    def differentiated(variables: Any, *args: Any) -> tuple[Any, tuple[Tensor, Any]]:
        leaves = [leaf.detach().requires_grad_() for leaf in variables]
        value, rest = loss(variables._make(leaves), *args)
        gradient = torch.autograd.grad(value, leaves, materialize_grads=True)
        return variables._make(gradient), (value.detach(), rest)

    return differentiated


def functional_grad_and_value(loss: Loss) -> Callable[..., tuple[Any, tuple[Tensor, Any]]]:
    """Differentiate as `grad_and_value` does, for use under `torch.func.vmap`."""
    differentiated: Callable[..., tuple[Any, tuple[Tensor, Any]]]
    differentiated = torch.func.grad_and_value(loss, has_aux=True)
    return differentiated
