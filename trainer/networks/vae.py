"""What every architecture builds."""

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
    """How a network is made; a free function with torch's default initialisation will do."""

    def __call__(self, image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
        """Build the network.

        Raises:
            UserError: if it cannot take images of this shape or these layers.
        """


class DefaultLayers(Protocol):
    """The layers that a trial gets when nobody names any."""

    def __call__(self, image_shape: ImageShape) -> tuple[int, ...]:
        """Choose the layers for images of this shape."""


@dataclass(frozen=True)
class Architecture:
    """A row of the registry."""

    name: str
    summary: str
    build: Build
    default_layers: DefaultLayers
    compile_from: int | None = None
    """Steps from which `--compile auto` compiles a trial: as many as make up for the compiler's
    time (`after` in `benchmarks/two_processes.py`). None: it does not."""
