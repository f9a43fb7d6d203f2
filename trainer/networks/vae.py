"""The model that every network builds, and the registry's row of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

ImageShape = tuple[int, int, int]
"""Channels, height, width."""

LEAK = 0.02
"""Slope of LeakyReLU below zero (paper, section 4)."""


class VAE(nn.Module):
    """An encoder to 2·width numbers (mean, then log variance) and a decoder to pixels in [0, 1]."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.width = width


class Build(Protocol):
    """Builds a network, with torch's default initialisation: a plain function is enough."""

    def __call__(self, image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
        """Build the network.

        Raises:
            UserError: if it does not accept images of this shape, or these layers.
        """


class DefaultLayers(Protocol):
    """Chooses the layers of a trial where none are given."""

    def __call__(self, image_shape: ImageShape) -> tuple[int, ...]:
        """Return the layers for images of this shape."""


@dataclass(frozen=True)
class Architecture:
    """A row of the registry."""

    name: str
    summary: str
    build: Build
    default_layers: DefaultLayers
    compile_from: int | None = None
    """The steps from which compiling a trial saves more time than it takes (`after` in
    `benchmarks/two_processes.py`); `--compile auto` compiles from there. None: never."""
