"""Fully connected: for small or flat data."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from trainer.networks.vae import LEAK, VAE, Architecture, ImageShape

SMALL = 256
"""Images of fewer pixels than this get the narrower default layers."""


def default_layers(image_shape: ImageShape) -> tuple[int, ...]:
    """Two hidden layers: 128-64 for small images, 256-128 for larger ones."""
    return (128, 64) if math.prod(image_shape) < SMALL else (256, 128)


def build(image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
    """Linear layers with LeakyReLU between; the decoder mirrors the encoder."""
    pixels = math.prod(image_shape)
    encoder = [nn.Flatten(), *_chain((pixels, *layers, 2 * width))]
    decoder = [*_chain((width, *reversed(layers), pixels)), nn.Sigmoid()]
    return VAE(
        nn.Sequential(*encoder), nn.Sequential(*decoder, nn.Unflatten(1, image_shape)), width
    )


def _chain(sizes: tuple[int, ...]) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for before, after in pairwise(sizes):
        modules += [nn.Linear(before, after), nn.LeakyReLU(LEAK)]
    return modules[:-1]


DENSE = Architecture(
    "dense", "two linear layers each way", build, default_layers, compile_from=30_000
)
