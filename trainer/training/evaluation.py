"""Errors and reconstructions of held-out images: gates thresholded, BatchNorm not training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.functional import gates, vae
from trainer.objectives.state import TrainState
from trainer.step.random import derive
from trainer.step.trial import Trial

BATCH = 500
"""Images evaluated at once."""

SAMPLES = 8
"""Held-out images whose reconstructions are kept."""


class HeldOut(NamedTuple):
    """sse over the held-out split."""

    sampled: float
    """With z sampled from the posterior."""
    mean: float
    """With z at the posterior mean."""


@torch.no_grad()
def evaluate(trial: Trial, state: TrainState) -> HeldOut:
    """Return the sse of the whole held-out split."""
    seed = derive(trial.spec.seed, "evaluation")
    generator = torch.Generator(trial.device).manual_seed(seed)
    totals = torch.zeros(2, device=trial.device, dtype=torch.float64)
    count = len(trial.dataset.test)
    for start in range(0, count, BATCH):
        images = _held_out(trial, slice(start, start + BATCH))
        mean, log_variance = _encode(trial, state, images)
        epsilon = torch.randn(
            mean.shape, generator=generator, device=trial.device, dtype=trial.dtype
        )
        sampled = vae.reparameterise(mean, log_variance, epsilon)
        for index, latents in enumerate((sampled, mean)):
            errors = vae.sse(_decode(trial, state, latents), images)
            totals[index] += errors.double().sum()
    sampled_sse, mean_sse = (totals / count).tolist()
    return HeldOut(sampled_sse, mean_sse)


@torch.no_grad()
def samples(trial: Trial, state: TrainState) -> dict[str, np.ndarray]:
    """Reconstruct the same few held-out images in every trial, from the posterior mean.

    Returns:
        `images` and `reconstructions`, uint8 of shape [count, channels, height, width], 255 = 1.
    """
    count = len(trial.dataset.test)
    spread = np.arange(min(SAMPLES, count)) * (count // min(SAMPLES, count))
    images = _held_out(trial, spread)
    mean, _ = _encode(trial, state, images)
    return {"images": _bytes(images), "reconstructions": _bytes(_decode(trial, state, mean))}


def _held_out(trial: Trial, which: slice | np.ndarray) -> Tensor:
    images = torch.from_numpy(trial.dataset.test[which]).to(trial.device)
    return images.to(trial.dtype) / trial.dataset.levels


def _encode(trial: Trial, state: TrainState, images: Tensor) -> tuple[Tensor, Tensor]:
    weights = trial.network.unflatten(state.parameters)
    mean, log_variance, _ = trial.network.encode(weights, state.buffers, images, training=False)
    return mean, log_variance


def _decode(trial: Trial, state: TrainState, latents: Tensor) -> Tensor:
    weights = trial.network.unflatten(state.parameters)
    mask = gates.open_at_inference(state.gate_logits).to(latents.dtype)
    return trial.network.decode(weights, state.buffers, latents * mask, training=False)[0]


def _bytes(images: Tensor) -> np.ndarray:
    clipped = images.clamp(0, 1).nan_to_num(0.0)
    return (clipped * 255).round().to(torch.uint8).cpu().numpy()
