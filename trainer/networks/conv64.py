"""The paper's network for 64×64 images (section 4)."""

from __future__ import annotations

from trainer.errors import UserError
from trainer.networks.conv import decoder, encoder
from trainer.networks.vae import VAE, Architecture, ImageShape


def default_layers(image_shape: ImageShape) -> tuple[int, ...]:
    """Channels of the four stages; the paper does not give them."""
    return (32, 64, 128, 128)


def build(image_shape: ImageShape, width: int, layers: tuple[int, ...]) -> VAE:
    """Four strided convolutions down, four upsampled ones back up."""
    channels, *size = image_shape
    if size != [64, 64] or len(layers) != 4:
        raise UserError(
            f"architecture 'conv64' takes 64×64 images and four layers, found images of "
            f"{size[0]}×{size[1]} and layers {layers}; "
            "use --architecture dense for other images"
        )
    return VAE(
        encoder(channels, width, layers, kernels=(4, 3, 3, 3)),
        decoder(channels, width, layers, kernels=(3, 3, 3, 3)),
        width,
    )


CONV64 = Architecture(
    "conv64", "the paper's network for 64×64 images", build, default_layers, compile_from=10_000
)
