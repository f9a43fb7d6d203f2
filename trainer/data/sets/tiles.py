"""Counting tiles: black 28×28 images with one to three white 4×4 tiles (Asperti 2019, section V).

The paper does not say how many images there are or whether tiles may overlap. Here the three
counts are equally frequent, tiles lie anywhere and may touch, but do not overlap: every image has
as many tiles as were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.base import DatasetInfo, Images

SIDE, TILE, MAX_TILES = 28, 4, 3
"""Height and width of an image and of a tile, in pixels; tiles in an image at most."""

TRAIN, TEST = 20_000, 4_000
"""Images to train on and held out."""

_REDRAWN = 200  # times that overlapping tiles are drawn again; a few dozen do


def place_tiles(count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw where the tiles of `count` images are, the same on every machine.

    Returns:
        How many tiles each image has, 1 … 3, [count]; and the row and column of the upper left
        corner of three tiles, [count, 3, 2], of which only the first so many are there.
    """
    random = np.random.RandomState(seed)
    tiles = random.randint(1, MAX_TILES + 1, count, dtype=np.int64)
    corners = np.zeros((count, MAX_TILES, 2), np.int64)
    pending = np.arange(count)
    for _ in range(_REDRAWN):
        shape = (len(pending), MAX_TILES, 2)
        corners[pending] = random.randint(0, SIDE - TILE + 1, shape, dtype=np.int64)
        pending = pending[_overlap(tiles[pending], corners[pending])]
    assert not len(pending)
    return tiles, corners


def draw_tiles(tiles: NDArray[np.int64], corners: NDArray[np.int64]) -> Images:
    """Draw images from what `place_tiles` returns, uint8 [count, 1, 28, 28] of 0 and 1."""
    row, column = np.ogrid[:SIDE, :SIDE]
    images = np.zeros((len(tiles), 1, SIDE, SIDE), np.uint8)
    for index in range(MAX_TILES):
        top, left = corners[:, index, :, np.newaxis, np.newaxis].swapaxes(0, 1)
        inside = (row >= top) & (row < top + TILE) & (column >= left) & (column < left + TILE)
        images[:, 0] |= inside & (index < tiles)[:, np.newaxis, np.newaxis]
    return images


def _overlap(tiles: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each image whether two of its tiles share a pixel, [count]."""
    found = np.zeros(len(tiles), np.bool_)
    for second in range(1, MAX_TILES):
        for first in range(second):
            near = (abs(corners[:, first] - corners[:, second]) < TILE).all(axis=1)
            found |= near & (second < tiles)
    return found


def _read(_: Sequence[Path]) -> tuple[Images, Images]:
    images = draw_tiles(*place_tiles(TRAIN + TEST, seed=0))
    return images[:TRAIN], images[TRAIN:]


TILES = DatasetInfo(
    name="tiles",
    summary="24,000 images of one to three white tiles, 28x28 (after Asperti); built in",
    image_shape=(1, SIDE, SIDE),
    levels=1,
    architecture="conv28",
    width=16,
    budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
    default_taus="2..14..2",
    read=_read,
)
