"""A network as pure functions of one flat vector of parameters.

One vector makes the optimizer a handful of operations however many layers there are, and lets a
trial's parameters be stacked with its neighbours'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainer.networks.vae import VAE

Buffers = dict[str, Tensor]
"""BatchNorm statistics by name; empty for a network without BatchNorm."""

Weights = dict[str, Tensor]
"""Parameters by name, views of the flat vector."""


class Network:
    """The encoder and decoder of a `VAE`, holding no parameter themselves.

    Buffers come in and go out: the module's own are never read or written.
    """

    def __init__(self, build: Callable[[], VAE]) -> None:
        self._build = build
        with torch.device("meta"):  # structure only
            self._vae = build()
        self._slots = {part: _slots(self._vae, part) for part in ("encoder", "decoder")}
        self._names = [name for name, _ in self._vae.named_parameters()]
        self._shapes = [parameter.shape for parameter in self._vae.parameters()]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(self._sizes)

    def indices_in_wider(self, narrow: Network) -> Tensor:
        """Return where in this network's vector the parameters of a narrower network belong.

        The two differ in their latent width alone. The remaining parameters connect latent
        dimensions that the narrower network does not have.

        Returns:
            Indices, [parameters of `narrow`].
        """
        numbered = self.unflatten(torch.arange(self.size))
        few, many = narrow._vae.width, self._vae.width
        return torch.cat(
            [
                _to_flat(_slice_latent_axis(numbered[name], shape, few, many))
                for name, shape in zip(narrow._names, narrow._shapes, strict=True)
            ]
        )

    def initial(self, seed: int) -> tuple[Tensor, Buffers]:
        """Return the parameters [parameters] and buffers that a trial starts with.

        Drawn on the CPU, so that a trial starts from the same point on every device.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vae = self._build()
        parameters = torch.cat([_to_flat(parameter.detach()) for parameter in vae.parameters()])
        return parameters, dict(sorted(vae.named_buffers()))

    def unflatten(self, parameters: Tensor) -> Weights:
        """Return the named weights as views of the vector [parameters]."""
        parts = torch.split_with_sizes(parameters, self._sizes)
        return {
            name: _from_flat(part, shape)
            for name, part, shape in zip(self._names, parts, self._shapes, strict=True)
        }

    def encode(
        self, weights: Weights, buffers: Buffers, images: Tensor, *, training: bool = True
    ) -> tuple[Tensor, Tensor, Buffers]:
        """Encode images [batch, channels, height, width].

        Returns:
            Posterior mean and log variance, [batch, width] each, and the new buffers.
        """
        output, buffers = self._call("encoder", weights, buffers, images, training)
        mean, log_variance = output.chunk(2, dim=1)
        return mean, log_variance, buffers

    def decode(
        self, weights: Weights, buffers: Buffers, latents: Tensor, *, training: bool = True
    ) -> tuple[Tensor, Buffers]:
        """Decode latents [batch, width]; returns the images and the new buffers."""
        return self._call("decoder", weights, buffers, latents, training)

    def _call(
        self, part: str, weights: Weights, buffers: Buffers, inputs: Tensor, training: bool
    ) -> tuple[Tensor, Buffers]:
        module: nn.Module = getattr(self._vae, part)
        if module.training != training:
            module.train(training)
        # BatchNorm updates its statistics in place; cloned, they make the call pure.
        changed = {
            name: value.clone() if name.startswith(part) else value
            for name, value in buffers.items()
        }
        for slot in self._slots[part]:
            slot.holder[slot.name] = (changed if slot.is_buffer else weights)[slot.key]
        return module(inputs), changed


class _Slot(NamedTuple):
    """Where a module keeps a tensor, and the key of the tensor to put there.

    `torch.func.functional_call` looks this up in every call, which takes a fifth of a small
    network's step.
    """

    holder: MutableMapping[str, Any]
    name: str
    key: str
    is_buffer: bool


def _slots(vae: VAE, part: str) -> list[_Slot]:
    keys = {id(tensor): key for key, tensor in [*vae.named_parameters(), *vae.named_buffers()]}
    return [
        _Slot(holder, name, keys[id(tensor)], is_buffer)
        for module in vae.get_submodule(part).modules()
        for is_buffer, holder in ((False, module._parameters), (True, module._buffers))
        for name, tensor in holder.items()
        if tensor is not None
    ]


def _slice_latent_axis(weight: Tensor, shape: torch.Size, few: int, many: int) -> Tensor:
    """Keep the first `few` of `many` latents along the axis in which weight and shape differ."""
    for dimension, (wide, narrow) in enumerate(zip(weight.shape, shape, strict=True)):
        if wide != narrow:
            kept = torch.arange(few)
            if narrow == 2 * few:  # the encoder's last layer: means, then log variances
                kept = torch.cat([kept, many + kept])
            weight = weight.index_select(dimension, kept)
    return weight


def _to_flat(weight: Tensor) -> Tensor:
    """Flatten a weight, a convolution's with its channels last.

    Its view is then in channels_last order, and so is all that the convolution computes, without
    a conversion in the network (which `torch.func.vmap` could not follow).
    """
    return (weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight).reshape(-1)


def _from_flat(part: Tensor, shape: torch.Size) -> Tensor:
    if len(shape) == 4:
        out, channels, height, width = shape
        return part.view(out, height, width, channels).permute(0, 3, 1, 2)
    return part.view(shape)
