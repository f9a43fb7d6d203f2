"""A trial's random numbers: a function of (seed, step) alone.

They are drawn in blocks of steps, each block from a fresh generator, so that a trial that
continues from a checkpoint, or trains in a pack, gets the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainer.objectives.state import Noise

BLOCK = 64
"""Steps drawn at once."""


def derive(seed: int, *purpose: str | int) -> int:
    """Return the seed of one purpose, derived from a trial's seed, in [0, 2⁶³)."""
    key = ":".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 1


def draw_noise(
    seed: int, block: int, batch_size: int, width: int, device: torch.device, dtype: torch.dtype
) -> Noise:
    """Draw the noise of a block of steps, [BLOCK, batch, width].

    Other devices and other dtypes draw other noise.
    """
    generator = torch.Generator(device).manual_seed(derive(seed, "noise", block))
    shape = (BLOCK, batch_size, width)
    epsilon = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    uniform = torch.rand(shape, generator=generator, device=device, dtype=dtype)
    return Noise(epsilon, uniform)


class Batches:
    """Which of `count` images each step of a trial trains on.

    Epoch follows epoch without a break, each a new shuffle of all images: an image is drawn once
    per epoch, whatever the batch size.
    """

    def __init__(self, seed: int, batch_size: int, count: int) -> None:
        self._seed = seed
        self._batch_size = batch_size
        self._count = count
        # Shuffling takes a while, and the next block usually goes on in the same epoch.
        self._kept: tuple[int, Tensor] | None = None

    def block(self, number: int) -> Tensor:
        """Draw the images of a block of steps, integers [BLOCK, batch]."""
        size = BLOCK * self._batch_size
        start = number * size
        epochs = range(start // self._count, (start + size - 1) // self._count + 1)
        orders = torch.cat([self._order(epoch) for epoch in epochs])
        offset = start - epochs.start * self._count
        return orders[offset : offset + size].long().view(BLOCK, self._batch_size)

    def _order(self, epoch: int) -> Tensor:
        if self._kept is None or self._kept[0] != epoch:
            generator = torch.Generator().manual_seed(derive(self._seed, "order", epoch))
            order = torch.randperm(self._count, generator=generator)
            self._kept = epoch, order.int()  # in a pack, one for each trial is kept
        return self._kept[1]


class RandomStream:
    """The random numbers of a trial's steps; keeps one block at a time.

    Args:
        seed: the trial's.
        batch_size: images per step.
        width: latent dimensions.
        count: training images.
        device: where the numbers are used.
        dtype: of the noise.
    """

    def __init__(
        self,
        seed: int,
        batch_size: int,
        width: int,
        count: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.batch_size = batch_size
        self.width = width
        self.device = device
        self.dtype = dtype
        self._seed = seed
        self._batches = Batches(seed, batch_size, count)
        self._number = -1
        self._block: tuple[Tensor, Noise]

    def at(self, step: int) -> tuple[Tensor, Noise]:
        """Return the image indices [batch] and the noise of a step, counted from 0."""
        number, row = divmod(step, BLOCK)
        if number != self._number:
            self._block, self._number = self.block(number), number
        batches, noise = self._block
        return batches[row], Noise(noise.epsilon[row], noise.uniform[row])

    def block(self, number: int) -> tuple[Tensor, Noise]:
        """Draw the image indices [BLOCK, batch] and the noise of a block of steps."""
        noise = draw_noise(self._seed, number, self.batch_size, self.width, self.device, self.dtype)
        return self._batches.block(number).to(self.device), noise


class Draws:
    """The random numbers of trials that are trained together; keeps one block of each at a time.

    Args:
        streams: the trials' streams, of one batch size and on one device.
        width: of the widest trial. The noise of dimensions that a trial does not have is 0.
    """

    def __init__(self, streams: Sequence[RandomStream], width: int) -> None:
        self._streams = tuple(streams)
        self._blocks = [-1] * len(streams)
        first = streams[0]
        shape = (len(streams), BLOCK, first.batch_size)
        self._batches = torch.zeros(shape, dtype=torch.int64, device=first.device)
        self._epsilon = torch.zeros((*shape, width), dtype=first.dtype, device=first.device)
        self._uniform = torch.zeros_like(self._epsilon)
        self._trials = torch.arange(len(streams), device=first.device)

    def at(self, steps: Sequence[int]) -> tuple[Tensor, Noise]:
        """Return the image indices [trials, batch] and the noise [trials, batch, width]."""
        self.draw(steps)
        rows = [step % BLOCK for step in steps]
        same = len(set(rows)) == 1
        return self._pick((slice(None), rows[0]) if same else (range(len(rows)), rows))

    def at_rows(self, rows: Tensor) -> tuple[Tensor, Noise]:
        """Return the same for rows of the present blocks, integers [trials] on the device."""
        return self._pick((self._trials, rows))

    def draw(self, steps: Sequence[int]) -> None:
        """Draw the blocks that hold these steps, in the memory of the blocks before them."""
        for index, step in enumerate(steps):
            if step // BLOCK != self._blocks[index]:
                self._blocks[index] = step // BLOCK
                batches, noise = self._streams[index].block(step // BLOCK)
                width = noise.epsilon.shape[-1]
                self._batches[index] = batches
                self._epsilon[index, ..., :width] = noise.epsilon
                self._uniform[index, ..., :width] = noise.uniform

    def _pick(self, which: Any) -> tuple[Tensor, Noise]:
        return self._batches[which], Noise(self._epsilon[which], self._uniform[which])
