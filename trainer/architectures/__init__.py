"""Networks: one file each, one row each."""

from __future__ import annotations

from trainer.architectures.conv28 import CONV28
from trainer.architectures.dense import DENSE
from trainer.architectures.vae import VAE, Architecture, ImageShape
from trainer.errors import unknown_name

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in (DENSE, CONV28)}


def architecture(name: str) -> Architecture:
    """Look a network up.

    Raises:
        UserError: if no row has this name.
    """
    if name not in ARCHITECTURES:
        raise unknown_name("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]


__all__ = ["ARCHITECTURES", "VAE", "Architecture", "ImageShape", "architecture"]
