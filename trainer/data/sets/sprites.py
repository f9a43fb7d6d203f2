"""The images of dSprites (Matthey et al. 2017), drawn from their factors instead of read.

The geometry was fitted to 160 real frames, of which 158 are met to the pixel and the others but for
two pixels; all images together light 128.3 million pixels, within 0.01 % of the original's.
`dsprites` is the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.data.base import DatasetInfo
from trainer.data.drawn.rendered import Recipe, Rendered, split
from trainer.data.labels import Labels

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
"""Height and width of an image."""

HELD_OUT = 10_000
"""Images of the 737,280 that are not trained on, pseudo-random and always the same."""

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "pos_x": 32, "pos_y": 32}
"""The number of values of each factor; the original also has one colour."""

# Half a side of the square, semi-axes of the ellipse, and the heart's curve, in pixels at scale 1.
_SQUARE = 9.5995
_ELLIPSE = (12.766, 7.214)
_HEART_WIDTH, _HEART_HEIGHT, _HEART_SHIFT = 9.5937, 0.66214, -1.4364

_REACH = 14  # whole pixels: no shape is larger, so only pixels this near to its centre are tested


def render(
    shape: Tensor, scale: Tensor, orientation: Tensor, pos_x: Tensor, pos_y: Tensor
) -> Tensor:
    """Draw sprites on the device of their factors.

    A pixel is lit if its centre is inside the shape, in coordinates with x to the right and y
    downwards. float64 throughout, so that every device lights the same pixels.

    Args:
        shape: 1 square, 2 ellipse, 3 heart, [count]; the other factors are as long.
        scale: 0.5 … 1, of 1 at full size.
        orientation: radians, counter-clockwise on the screen.
        pos_x: of the centre, 0 left … 1 right.
        pos_y: of the centre, 0 top … 1 bottom.

    Returns:
        uint8 [count, 1, 64, 64] of 0 and 1.
    """
    import torch

    window = torch.arange(-_REACH, _REACH + 1, device=shape.device)
    centre_x, centre_y = (16 + 32 * position.double()[:, None, None] for position in (pos_x, pos_y))
    column = centre_x.floor().long() + window[None, None, :]
    row = centre_y.floor().long() + window[None, :, None]
    x, y = _own_coordinates(column + 0.5 - centre_x, row + 0.5 - centre_y, scale, orientation)
    shape = shape[:, None, None]
    inside = torch.where(shape == 1, _square(x, y), _ellipse(x, y))
    inside = torch.where(shape == 3, _heart(x, y), inside)
    images = torch.zeros(len(shape), SIDE * SIDE, dtype=torch.uint8, device=shape.device)
    images.scatter_(1, (SIDE * row + column).flatten(1), inside.flatten(1).byte())
    return images.view(-1, 1, SIDE, SIDE)


def _own_coordinates(
    x: Tensor, y: Tensor, scale: Tensor, orientation: Tensor
) -> tuple[Tensor, Tensor]:
    """Return coordinates in which the shape is upright and of full size, [count, row, column]."""
    angle = orientation.double()[:, None, None]
    cosine, sine = angle.cos() / scale[:, None, None], angle.sin() / scale[:, None, None]
    return x * cosine - y * sine, x * sine + y * cosine


def _square(x: Tensor, y: Tensor) -> Tensor:
    return (x.abs() <= _SQUARE) & (y.abs() <= _SQUARE)


def _ellipse(x: Tensor, y: Tensor) -> Tensor:
    horizontal, vertical = _ELLIPSE
    return (x / horizontal) ** 2 + (y / vertical) ** 2 <= 1


def _heart(x: Tensor, y: Tensor) -> Tensor:
    """Inside x = w·sin³t, y = −h·(13 cos t − 5 cos 2t − 2 cos 3t − cos 4t) + shift, tip down.

    At each x the curve has one point with cos t = c ≥ 0 and one with −c. The even cosines are the
    same at both, the odd ones change sign: a middle, and how far from it the two points are.
    """
    cosine_2 = 1 - (x.abs() / _HEART_WIDTH) ** (2 / 3)  # c², negative where no t has this x
    double = 2 * cosine_2 - 1  # cos 2t; cos 4t = 2 cos² 2t − 1, cos 3t = 4c³ − 3c
    middle = _HEART_HEIGHT * (5 * double + 2 * double**2 - 1) + _HEART_SHIFT
    squared_half = _HEART_HEIGHT**2 * cosine_2 * (19 - 8 * cosine_2) ** 2
    return (y - middle) ** 2 <= squared_half


def _draw(values: Tensor) -> Tensor:
    shape, scale, orientation, pos_x, pos_y = values.double().unbind(1)
    return render(
        shape + 1, 0.5 + scale / 10, orientation * (2 * math.pi / 39), pos_x / 31, pos_y / 31
    )


RECIPE = Recipe("sprites 1", FACTORS, (1, SIDE, SIDE), _draw)


def _read(_: Sequence[Path]) -> tuple[Rendered, Rendered]:
    return split(RECIPE, HELD_OUT)


def _read_labels(_: Sequence[Path]) -> Labels:
    train, test = split(RECIPE, HELD_OUT)
    return Labels(train.factors(), test.factors(), tuple(FACTORS))


SPRITES = DatasetInfo(
    name="sprites",
    summary="737,280 squares, ellipses, hearts, 64x64: dSprites drawn from its factors; built in",
    image_shape=(1, SIDE, SIDE),
    levels=1,
    architecture="conv64",
    width=10,
    # The paper's figures 1 and 3; its table trains for 200,000.
    budgets={"quick": 12_000, "standard": 50_000, "paper": 50_000},
    paper_taus=(20, 25, 35),
    default_taus="20..60..5",
    read=_read,
    read_labels=_read_labels,
)
