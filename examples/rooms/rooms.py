"""How to add a data set of one's own: images as an array, a row, and the sweeper's command line.

    python examples/rooms/rooms.py run pareto --dataset rooms
    python examples/rooms/rooms.py data show rooms

The images are drawn solids in rooms, in the spirit of Shapes3D and with its six factors, but they
are not Shapes3D: errors measured on one set say nothing about the other. Worker processes need
neither this file nor its folder: they open the images by their content.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scenes import ANGLES, SCALES, SIDE, scenes
from solids import SOLIDS

from sweeper.cli.main import main
from trainer.data import DATASETS, DatasetInfo
from trainer.data.base import Images
from trainer.data.labels import Labels

TRAIN, HELD_OUT = 3_000, 500
"""Images to train on and held out, of the 480,000 that there could be."""

HUES = 10
"""Colours of floor, wall and solid: hue i is i/10 of the circle."""

FACTORS = {
    "floor_hue": HUES,
    "wall_hue": HUES,
    "object_hue": HUES,
    "scale": len(SCALES),
    "shape": len(SOLIDS),
    "orientation": len(ANGLES),
}
"""The number of values of each factor, in the order of Shapes3D."""

_SKY = (153, 226, 249)
_SATURATION, _VALUE = 1.0, 0.9
_BLOCK = 250  # images drawn at once


def draw_factors(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Draw which value each of `FACTORS` has, [count, 6]; no two rows are the same."""
    sizes = tuple(FACTORS.values())
    numbers = np.random.RandomState(seed).permutation(np.prod(sizes))[:count]
    return np.stack(np.unravel_index(numbers, sizes), axis=1)


def render(factors: NDArray[np.int64]) -> Images:
    """Draw rooms from their factors, [count, 6]: uint8 [count, 3, 64, 64].

    A surface's colour is multiplied by its brightness, in whole numbers.
    """
    blocks = [factors[start : start + _BLOCK] for start in range(0, len(factors), _BLOCK)]
    return np.concatenate([_render_block(block) for block in blocks])


def _render_block(factors: NDArray[np.int64]) -> Images:
    kinds, brightness = scenes()
    floor, wall, solid, scale, shape, angle = factors.T
    scene = (scale * len(SOLIDS) + shape) * len(ANGLES) + angle
    sky = np.full_like(floor, HUES)  # the last of the palette
    hues = np.stack([sky, floor, wall, solid], axis=1)  # by kind of surface
    image = np.arange(len(factors))[:, None, None]
    colours = _palette()[hues[image, kinds[scene]]]  # [count, 64, 64, 3]
    shaded = colours * brightness[scene].astype(np.int32)[..., np.newaxis]
    return np.moveaxis((shaded + 127) // 255, -1, 1).astype(np.uint8)


def _palette() -> NDArray[np.int32]:
    """Return the colours of the hues, then of the sky, [HUES + 1, 3]."""
    colours = [colorsys.hsv_to_rgb(hue / HUES, _SATURATION, _VALUE) for hue in range(HUES)]
    return np.array([*(255 * np.array(colours)).round(), _SKY], np.int32)


def read(_: Sequence[Path]) -> tuple[Images, Images]:
    """Return the images to train on, and the held-out images."""
    images = render(draw_factors(TRAIN + HELD_OUT))
    return images[:TRAIN], images[TRAIN:]


def read_labels(_: Sequence[Path]) -> Labels:
    """Return the factors of the same images. A data set need not have labels."""
    factors = draw_factors(TRAIN + HELD_OUT)
    return Labels(factors[:TRAIN], factors[TRAIN:], tuple(FACTORS))


ROOMS = DatasetInfo(
    name="rooms",
    summary=f"{TRAIN + HELD_OUT:,} drawn solids in rooms, 64x64 colour: like Shapes3D, but not it",
    image_shape=(3, SIDE, SIDE),
    levels=255,
    architecture="conv64",
    width=20,
    budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
    default_taus="20..120..20",
    read=read,
    read_labels=read_labels,
)

if __name__ == "__main__":
    DATASETS["rooms"] = ROOMS
    main()
