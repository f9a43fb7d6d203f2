"""The parts that the paper's convolutional networks (section 4) share."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks.vae import LEAK

BATCHNORM_MOMENTUM = 0.2
"""The paper's 0.8 is a keep-rate; PyTorch's momentum is one minus that."""

HIDDEN = 128
"""Units of the linear layer on either side of the latent."""

SIDE = 4
"""Height and width after the encoder's convolutions: 28 → 14 → 7 → 4, or 64 → 32 → 16 → 8 → 4."""


class Unflatten(nn.Module):
    """[batch, features] → [batch, channels, side, side], laid out in channels_last order."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.channels = channels
        self.side = side

    def forward(self, inputs: Tensor) -> Tensor:
        """Read the features with the channels as the innermost."""
        return inputs.view(-1, self.side, self.side, self.channels).permute(0, 3, 1, 2)


class UpsampledConv2d(nn.Conv2d):
    """Nearest ×2 upsampling, then a convolution of stride 1, computed as one.

    Each pixel of the small image is multiplied by sums of neighbouring weights, so both together
    are exactly a transposed convolution of stride 2: for a kernel of 3, with 4/9 of the
    multiplications and without the large image in between. A kernel of 3 doubles the size; one of
    2 (without padding) gives one pixel less.
    """

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(before, after, kernel)

    def forward(self, inputs: Tensor) -> Tensor:
        """[batch, before, side, side] → [batch, after, 2·side (− 1), …]."""
        return F.conv_transpose2d(inputs, fold(self.weight), self.bias, stride=2, padding=1)


def fold(kernel: Tensor) -> Tensor:
    """Convert the kernel of an upsampled convolution to that of a transposed one.

    Args:
        kernel: [after, before, size, size].

    Returns:
        [before, after, size + 1, size + 1]: four shifted copies of the flipped kernel, summed.
    """
    padded = F.pad(kernel.flip(2, 3), (1, 1, 1, 1))
    rows = padded[:, :, :-1] + padded[:, :, 1:]
    return (rows[..., :-1] + rows[..., 1:]).transpose(0, 1)


def encoder(
    channels: int, width: int, layers: tuple[int, ...], kernels: tuple[int, ...]
) -> nn.Sequential:
    """Strided convolutions of these channels and kernels, then two linear layers to 2·width."""
    modules: list[nn.Module] = []
    for (before, after), kernel in zip(pairwise((channels, *layers)), kernels, strict=True):
        modules += _down(before, after, kernel)
    return nn.Sequential(
        *modules,
        nn.Flatten(),
        nn.Linear(layers[-1] * SIDE * SIDE, HIDDEN),
        nn.LeakyReLU(LEAK),
        nn.Linear(HIDDEN, 2 * width),
    )


def decoder(
    channels: int, width: int, layers: tuple[int, ...], kernels: tuple[int, ...]
) -> nn.Sequential:
    """Two linear layers, then upsampled convolutions through `layers` backwards to pixels.

    A kernel of 3 keeps the size; one of 2 makes it smaller by one: 4 → 8 → 7.
    """
    modules: list[nn.Module] = [
        nn.Linear(width, HIDDEN),
        nn.LeakyReLU(LEAK),
        nn.Linear(HIDDEN, layers[-1] * SIDE * SIDE),
        nn.LeakyReLU(LEAK),
        Unflatten(layers[-1], SIDE),
    ]
    stages = pairwise((*reversed(layers), channels))
    for (before, after), kernel in zip(stages, kernels, strict=True):
        modules += [*_up(before, after, kernel), nn.LeakyReLU(LEAK)]
    modules[-1] = nn.Sigmoid()
    return nn.Sequential(*modules)


def _down(before: int, after: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride=2, padding=1),
        nn.LeakyReLU(LEAK),
        nn.BatchNorm2d(after, momentum=BATCHNORM_MOMENTUM),
    ]


def _up(before: int, after: int, kernel: int) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(before, momentum=BATCHNORM_MOMENTUM),
        nn.Identity(),  # saved models number the layers as if upsampling were one
        UpsampledConv2d(before, after, kernel),
    ]
