"""Networks: one file each, one row each."""

from __future__ import annotations

import torch

from trainer.errors import UserError, shortened
from trainer.networks.conv28 import CONV28
from trainer.networks.conv64 import CONV64
from trainer.networks.dense import DENSE
from trainer.networks.vae import VAE, Architecture, ImageShape
from trainer.registry import Registry
from trainer.spec import MAX_UNITS

MAX_LAYERS = 100
"""A network with more stages each way is taken for a mistake."""

NETWORKS = Registry("architecture", {row.name: row for row in (DENSE, CONV28, CONV64)})


def choose_layers(row: Architecture, text: str | None, image_shape: ImageShape) -> tuple[int, ...]:
    """Parse layers such as `128,64`; None stands for the network's default for these images.

    Raises:
        UserError: if they are malformed, or the network does not accept them or the images.
    """
    if text is None:
        layers = row.default_layers(image_shape)
    elif all(
        part.strip().isdecimal() and part.isascii() and len(part) < 9 for part in text.split(",")
    ):
        layers = tuple(int(part) for part in text.split(","))
    else:
        raise UserError(
            f"--layers must be positive whole numbers such as 128,64, found {shortened(text)!r}"
        )
    if not 1 <= min(layers) <= max(layers) <= MAX_UNITS:
        raise UserError(f"--layers must be from 1 to {MAX_UNITS}, found {shortened(str(text))!r}")
    if len(layers) > MAX_LAYERS:
        raise UserError(f"--layers takes {MAX_LAYERS} stages at most, found {len(layers):,}")
    with torch.device("meta"):  # checks without allocating the weights
        row.build(image_shape, 1, layers)
    return layers


__all__ = [
    "NETWORKS",
    "VAE",
    "Architecture",
    "ImageShape",
    "choose_layers",
]
