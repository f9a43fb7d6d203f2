"""Images that are drawn from their factors when they are asked for, instead of being stored.

A `Rendered` set has `len`, `shape` and `images[slice or index array]` as an array of stored images
has, so code that looks at a few images works with both; `on(device)` is for training. torch is
loaded by the first image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BLOCK = 256  # images drawn at once where many are asked for
_SAMPLE = 64  # images that a fingerprint looks at


@dataclass(frozen=True)
class Recipe:
    """How images are made from factors; every combination of the factors' values is one image."""

    name: str
    """With a version, to be raised when the images change: `sprites 1`."""
    factors: Mapping[str, int]
    """The number of values of each factor; the last varies fastest from image to image."""
    image_shape: tuple[int, int, int]
    """Channels, height, width."""
    draw: Callable[[Tensor], Tensor]
    """Draws int64 [count, factors], the value of each factor, as uint8 [count, *image_shape] on the
    same device: the same images on every device, without waiting for it."""

    @property
    def count(self) -> int:
        """Images in all."""
        return math.prod(self.factors.values())

    def images(self, numbers: Tensor) -> Tensor:
        """Draw the images of these numbers, int64 [count] in 0 … `count` − 1."""
        import torch

        values = []
        for size in reversed(list(self.factors.values())):
            values.append(numbers % size)
            numbers = numbers // size
        return self.draw(torch.stack(values[::-1], dim=1))


@dataclass(frozen=True, eq=False)
class Rendered:
    """Some of the images of a recipe."""

    recipe: Recipe
    numbers: NDArray[np.int64]
    """Which of the recipe's images are in the set, [count]."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Count, channels, height and width, as of an array of all images."""
        return len(self.numbers), *self.recipe.image_shape

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, which: slice | NDArray[np.intp]) -> NDArray[np.uint8]:
        """Draw some images, uint8 [count, channels, height, width]."""
        import torch

        blocks = torch.split(torch.from_numpy(self.numbers[which]), _BLOCK)
        images: NDArray[np.uint8]
        images = torch.cat([self.recipe.images(block) for block in blocks]).numpy()
        return images

    def on(self, device: torch.device) -> RenderedOn:
        """Return the set as training reads it: indexed by tensors on a device."""
        return RenderedOn(self, device)

    def factors(self) -> NDArray[np.int64]:
        """Return which value each factor has in each image, [count, factors]."""
        return np.stack(np.unravel_index(self.numbers, tuple(self.recipe.factors.values())), axis=1)

    def fingerprint(self) -> bytes:
        """Return what stands for the bytes of all images: recipe, numbers, and some images."""
        header = [self.recipe.name, dict(self.recipe.factors)]
        sample = self[spread(len(self), _SAMPLE)]
        return json.dumps(header).encode() + self.numbers.astype("<i8").tobytes() + sample.tobytes()


class RenderedOn:
    """A rendered set on a device, indexed as a tensor of images is."""

    def __init__(self, images: Rendered, device: torch.device) -> None:
        import torch

        self._recipe = images.recipe
        self._numbers = torch.from_numpy(images.numbers).to(device)

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Draw the images at `indices`, int64 [..., batch]: uint8 [..., batch, channels, …]."""
        images = self._recipe.images(self._numbers[indices.reshape(-1)])
        return images.view(*indices.shape, *self._recipe.image_shape)


def spread(count: int, wanted: int) -> NDArray[np.intp]:
    """Return up to `wanted` of `count` indices, evenly spread and in order."""
    wanted = min(wanted, count)
    return np.arange(wanted) * count // wanted


def hold_out(count: int, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split 0 … `count` − 1 into (rest, `held_out` pseudo-random ones), each in order.

    The same on every machine: numpy never changes the numbers of this generator.
    """
    shuffled = np.random.RandomState(0).permutation(count).astype(np.int64)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def split(recipe: Recipe, held_out: int) -> tuple[Rendered, Rendered]:
    """Split all images of a recipe into a training set and a held-out set."""
    train, test = hold_out(recipe.count, held_out)
    return Rendered(recipe, train), Rendered(recipe, test)
