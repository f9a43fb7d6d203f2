"""The paper's network for 28×28 images (section 4)."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.architectures.vae import LEAK, VAE, Architecture, ImageShape
from trainer.errors import UserError

BATCHNORM_MOMENTUM = 0.2
"""The paper's 0.8 is a keep-rate; PyTorch's momentum is what is not kept."""

HIDDEN = 128
"""Units of the linear layer on either side of the latent."""

SIDE = 4
"""Height and width after the encoder's three convolutions: 28 → 14 → 7 → 4."""


class Unflatten(nn.Module):
    """[batch, features] → [batch, channels, side, side], laid out in channels_last order."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.channels = channels
        self.side = side

    def forward(self, inputs: Tensor) -> Tensor:
        """Read the features with the channels as the innermost."""
        return inputs.view(-1, self.side, self.side, self.channels).permute(0, 3, 1, 2)


def default_layers(image_shape: ImageShape) -> tuple[int, ...]:
    """Channels of the three stages; the paper does not give them."""
    return (32, 64, 128)


def build(image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
    """Three strided convolutions down, three upsampled ones back up."""
    if image_shape[1:] != (28, 28) or len(layers) != 3:
        raise UserError(
            f"architecture 'conv28' takes 28×28 images and three layers, found images of "
            f"{image_shape[1]}×{image_shape[2]} and layers {layers}; "
            "use --architecture dense for other images"
        )
    return VAE(
        _encoder(image_shape[0], width, layers), _decoder(image_shape[0], width, layers), width
    )


def _encoder(channels: int, width: int, layers: tuple[int, ...]) -> nn.Sequential:
    first, second, third = layers
    return nn.Sequential(
        *_down(channels, first, kernel=4),
        *_down(first, second, kernel=3),
        *_down(second, third, kernel=2),
        nn.Flatten(),
        nn.Linear(third * SIDE * SIDE, HIDDEN),
        nn.LeakyReLU(LEAK),
        nn.Linear(HIDDEN, 2 * width),
    )


def _decoder(channels: int, width: int, layers: tuple[int, ...]) -> nn.Sequential:
    first, second, third = layers
    return nn.Sequential(
        nn.Linear(width, HIDDEN),
        nn.LeakyReLU(LEAK),
        nn.Linear(HIDDEN, third * SIDE * SIDE),
        nn.LeakyReLU(LEAK),
        Unflatten(third, SIDE),
        *_up(third, second, kernel=2, padding=0),  # 4 → 8 → 7
        nn.LeakyReLU(LEAK),
        *_up(second, first, kernel=3, padding=1),  # 7 → 14
        nn.LeakyReLU(LEAK),
        *_up(first, channels, kernel=3, padding=1),  # 14 → 28
        nn.Sigmoid(),
    )


def _down(before: int, after: int, *, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride=2, padding=1),
        nn.LeakyReLU(LEAK),
        nn.BatchNorm2d(after, momentum=BATCHNORM_MOMENTUM),
    ]


def _up(before: int, after: int, *, kernel: int, padding: int) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(before, momentum=BATCHNORM_MOMENTUM),
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(before, after, kernel, padding=padding),
    ]


CONV28 = Architecture("conv28", "the paper's network for 28×28 images", build, default_layers)
