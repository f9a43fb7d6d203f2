"""The paper's network for 28×28 images (section 4)."""

from __future__ import annotations

from trainer.errors import UserError
from trainer.networks.conv import decoder, encoder
from trainer.networks.vae import VAE, Architecture, ImageShape


def default_layers(image_shape: ImageShape) -> tuple[int, ...]:
    """Channels of the three stages; the paper does not give them."""
    return (32, 64, 128)


def build(image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
    """Three strided convolutions down, three upsampled ones back up."""
    channels, *size = image_shape
    if size != [28, 28] or len(layers) != 3:
        raise UserError(
            f"architecture 'conv28' takes 28×28 images and three layers, found images of "
            f"{size[0]}×{size[1]} and layers {layers}; "
            "use --architecture dense for other images"
        )
    return VAE(
        encoder(channels, width, layers, kernels=(4, 3, 2)),
        decoder(channels, width, layers, kernels=(2, 3, 3)),
        width,
    )


CONV28 = Architecture(
    "conv28", "the paper's network for 28×28 images", build, default_layers, compile_from=5_000
)
