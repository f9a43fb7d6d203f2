"""Rooms: drawn scenes in the spirit of Shapes3D, with its six factors. They are not Shapes3D.

A solid stands in a room, and the colours of floor, wall and solid, the solid's kind and size, and
the camera's angle vary. No image equals one of the original, which is `shapes3d`; errors measured
on one set say nothing about the other.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.base import DatasetInfo
from trainer.data.drawn.rendered import Recipe, Rendered, split
from trainer.data.drawn.room_scenes import ANGLES, SCALES, SIDE, scenes
from trainer.data.drawn.solids import SOLIDS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

HUES = 10
"""Colours of floor, wall and solid: hue i is i/10 of the circle."""

HELD_OUT = 10_000
"""Images of the 480,000 that are not trained on, pseudo-random and always the same."""

FACTORS = {
    "floor_hue": HUES,
    "wall_hue": HUES,
    "object_hue": HUES,
    "scale": len(SCALES),
    "shape": len(SOLIDS),
    "orientation": len(ANGLES),
}
"""Values of each factor, in the order of Shapes3D."""

_SKY = (153, 226, 249)
_SATURATION, _VALUE = 1.0, 0.9


def render(values: Tensor) -> Tensor:
    """Draw rooms on the device of their factors: a surface's colour times its brightness.

    Whole numbers throughout, so every device draws the same.

    Args:
        values: which value each of `FACTORS` has, int64 [count, 6].

    Returns:
        uint8 [count, 3, 64, 64].
    """
    import torch

    kinds, brightness, palette = _tables(values.device)
    floor, wall, solid, scale, shape, angle = values.unbind(1)
    scene = (scale * len(SOLIDS) + shape) * len(ANGLES) + angle
    sky = torch.full_like(floor, HUES)  # the last of the palette
    hue = torch.stack([sky, floor, wall, solid], dim=1)  # by kind of surface
    chosen = hue.gather(1, kinds[scene].long().flatten(1))  # [count, pixels]
    colour = palette[chosen] * brightness[scene].int().flatten(1)[:, :, None]
    images = ((colour + 127) // 255).to(torch.uint8)
    return images.permute(0, 2, 1).reshape(-1, 3, SIDE, SIDE)


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Put scenes and palette on a device: kinds, brightness, colours (the hues, then the sky)."""
    import torch

    colours = [colorsys.hsv_to_rgb(hue / HUES, _SATURATION, _VALUE) for hue in range(HUES)]
    palette = np.array([*(255 * np.array(colours)).round(), _SKY], np.int32)
    kinds, brightness, colour = (torch.from_numpy(table) for table in (*scenes(), palette))
    return kinds.to(device), brightness.to(device), colour.to(device)


RECIPE = Recipe("rooms 1", FACTORS, (3, SIDE, SIDE), render)


def _read(_: Sequence[Path]) -> tuple[Rendered, Rendered]:
    return split(RECIPE, HELD_OUT)


ROOMS = DatasetInfo(
    name="rooms",
    summary="480,000 drawn solids in rooms, 64x64 colour: like Shapes3D, but not it; built in",
    image_shape=(3, SIDE, SIDE),
    levels=255,
    architecture="conv64",
    width=20,
    budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
    default_taus="20..120..20",
    read=_read,
)
