"""Networks: one file each, one row each."""

from __future__ import annotations

import torch

from trainer.architectures.conv28 import CONV28
from trainer.architectures.dense import DENSE
from trainer.architectures.vae import VAE, Architecture, ImageShape
from trainer.errors import UserError, unknown_name

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in (DENSE, CONV28)}


def architecture(name: str) -> Architecture:
    """Look a network up.

    Raises:
        UserError: if no row has this name.
    """
    if name not in ARCHITECTURES:
        raise unknown_name("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def choose_layers(row: Architecture, text: str | None, image_shape: ImageShape) -> tuple[int, ...]:
    """Read layers such as `128,64`, or take the network's own for images of this shape.

    Raises:
        UserError: if they are malformed, or the network cannot take them or the images.
    """
    if text is None:
        layers = row.default_layers(image_shape)
    elif all(part.strip().isdecimal() and int(part) > 0 for part in text.split(",")):
        layers = tuple(int(part) for part in text.split(","))
    else:
        raise UserError(f"--layers must be positive whole numbers such as 128,64, found {text!r}")
    with torch.device("meta"):  # checks without making the weights
        row.build(image_shape, 1, layers)
    return layers


__all__ = [
    "ARCHITECTURES",
    "VAE",
    "Architecture",
    "ImageShape",
    "architecture",
    "choose_layers",
]
