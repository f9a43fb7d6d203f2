"""The variational autoencoder's own quantities."""

from __future__ import annotations

import torch
from torch import Tensor


def reparameterise(mean: Tensor, log_variance: Tensor, epsilon: Tensor) -> Tensor:
    """Sample z = μ + exp(v/2)·ε (Eq. 6), with v = log σ². All of shape [batch, width]."""
    return mean + torch.exp(log_variance / 2) * epsilon


def sse(reconstructions: Tensor, images: Tensor) -> Tensor:
    """Squared error summed over pixels and channels: [batch, ...] → [batch].

    Never a mean over pixels: τ is in this unit.
    """
    return (reconstructions - images).square().flatten(1).sum(1)


def kl_elementwise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(μ, σ²) from N(0, 1) in nats, per dimension: [batch, width] → [batch, width].

    Eq. 15 with its "log σ" read as v = log σ²: −½(1 + v − exp(v) − μ²).
    """
    return -0.5 * (1 + log_variance - log_variance.exp() - mean.square())
