"""The stochastic gates and their ARM gradient (section 2.2 and Algorithm 1, lines 3-10 and 29)."""

from __future__ import annotations

import torch
from torch import Tensor


def open_probability(gate_logits: Tensor, k: Tensor) -> Tensor:
    """σ(kγ), the probability that each gate is open: [width] → [width]."""
    return torch.sigmoid(k * gate_logits)


def sample_pair(
    gate_logits: Tensor, uniform: Tensor, k: Tensor, sampling: Tensor, latent_mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw the two antithetic gate patterns ν1 = 1[u > σ(−kγ)] and ν2 = 1[u < σ(kγ)].

    Args:
        gate_logits: γ, [width].
        uniform: u from U(0, 1), a row per image, [batch, width].
        k: the sigmoid's slope, a scalar.
        sampling: whether the constraint was met before, a boolean scalar. Until then every gate
            is open.
        latent_mask: False for gates that only pad a narrower trial to the width of its pack:
            those are always closed. Boolean [width].

    Returns:
        ν1 and ν2, of `gate_logits`' type, [batch, width] each.
    """
    first = latent_mask & (~sampling | (uniform > open_probability(-gate_logits, k)))
    second = latent_mask & (~sampling | (uniform < open_probability(gate_logits, k)))
    return first.to(gate_logits.dtype), second.to(gate_logits.dtype)


def arm_gradient(errors_1: Tensor, errors_2: Tensor, uniform: Tensor, k: Tensor) -> Tensor:
    """Estimate ∇γ E[error] = k·mean_i[(E1_i − E2_i)(u_i − ½)] (Eq. 13, line 29 without λ').

    The product is taken per image, then averaged: with averaged errors the signal would be lost.

    Args:
        errors_1: the error of each image under ν1, [batch].
        errors_2: the error of each image under ν2, [batch].
        uniform: the u that ν1 and ν2 were drawn from, [batch, width].
        k: the sigmoid's slope, a scalar.

    Returns:
        The estimate, [width].
    """
    difference = (errors_1 - errors_2).unsqueeze(1)
    return k * (difference * (uniform - 0.5)).mean(0)


def open_at_inference(gate_logits: Tensor) -> Tensor:
    """Gates with σ(kγ) > ½, which is γ > 0: [width] → boolean [width]."""
    return gate_logits > 0


def count_open(gate_logits: Tensor) -> Tensor:
    """‖ν‖₀, the number of gates that are open at inference: an integer scalar."""
    return open_at_inference(gate_logits).sum()
