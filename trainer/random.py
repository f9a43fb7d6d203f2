"""A trial's random numbers: a function of (seed, step) alone.

They are drawn in blocks of steps, each block from a fresh generator, so that a trial that
continues from a checkpoint, or trains beside others, sees the numbers it would have seen.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from trainer.state import Noise

BLOCK = 64
"""Steps drawn at once."""


def derive(seed: int, *purpose: str | int) -> int:
    """Derive from a trial's seed the seed of one purpose, in [0, 2⁶³)."""
    key = ":".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 1


def draw_noise(
    seed: int, block: int, batch_size: int, width: int, device: torch.device, dtype: torch.dtype
) -> Noise:
    """Draw the noise of a block of steps, [BLOCK, batch, width].

    Another kind of device, or of number, draws other noise.
    """
    generator = torch.Generator(device).manual_seed(derive(seed, "noise", block))
    shape = (BLOCK, batch_size, width)
    epsilon = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    uniform = torch.rand(shape, generator=generator, device=device, dtype=dtype)
    return Noise(epsilon, uniform)


def draw_batches(seed: int, block: int, batch_size: int, count: int) -> Tensor:
    """Draw which of `count` images a block of steps trains on, integers [BLOCK, batch].

    All images come in a shuffled order, then in another, without a break between the epochs: each
    is drawn once per epoch, whatever the batch size.
    """
    start = block * BLOCK * batch_size
    end = start + BLOCK * batch_size
    epochs = range(start // count, (end - 1) // count + 1)
    orders = torch.cat([_order(seed, epoch, count) for epoch in epochs])
    offset = start - epochs.start * count
    return orders[offset : offset + end - start].view(BLOCK, batch_size)


def _order(seed: int, epoch: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


class RandomStream:
    """What a trial's steps draw, one block kept at a time.

    Args:
        seed: the trial's.
        batch_size: images a step.
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
        self._seed = seed
        self._batch_size = batch_size
        self._width = width
        self._count = count
        self._device = device
        self._dtype = dtype
        self._number = -1
        self._block: tuple[Tensor, Noise]

    def at(self, step: int) -> tuple[Tensor, Noise]:
        """Give the image indices [batch] and the noise of a step, counted from 0."""
        number, row = divmod(step, BLOCK)
        if number != self._number:
            self._block, self._number = self.block(number), number
        batches, noise = self._block
        return batches[row], Noise(noise.epsilon[row], noise.uniform[row])

    def block(self, number: int) -> tuple[Tensor, Noise]:
        """Draw the image indices [BLOCK, batch] and the noise of a block of steps."""
        batches = draw_batches(self._seed, number, self._batch_size, self._count)
        noise = draw_noise(
            self._seed, number, self._batch_size, self._width, self._device, self._dtype
        )
        return batches.to(self._device), noise
