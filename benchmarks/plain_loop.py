"""The peer: Algorithm 1 as one would write it by hand in plain PyTorch (eager, NCHW)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks import NETWORKS
from trainer.networks.conv import Unflatten, UpsampledConv2d
from trainer.spec import TrialSpec


class PlainLoop:
    """A module, an optimizer, and a step that changes both."""

    def __init__(self, spec: TrialSpec, image_shape: tuple[int, int, int]) -> None:
        torch.manual_seed(spec.seed)
        self.spec = spec
        self.vae = NETWORKS.find(spec.architecture).build(image_shape, spec.width, spec.layers)
        for module in self.vae.modules():
            if isinstance(module, UpsampledConv2d):  # the peer upsamples first
                module.forward = partial(_upsample_and_convolve, module)
            elif isinstance(module, Unflatten):  # and its images stay in NCHW order
                module.forward = partial(_view_as_images, module)
        self.gate_logits = nn.Parameter(torch.full((spec.width,), spec.gate_init))
        self.raw_multiplier = nn.Parameter(torch.tensor(spec.lambda_init))
        parameters = [*self.vae.parameters(), self.gate_logits, self.raw_multiplier]
        self.optimizer = torch.optim.Adam(parameters, lr=spec.learning_rate)
        self.constraint_ma: Tensor | None = None
        self.hit = False

    def step(self, images: Tensor) -> float:
        """Train on one batch; returns its sse."""
        spec = self.spec
        mean, log_variance = self.vae.encoder(images).chunk(2, dim=1)
        latents = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        uniform = torch.rand_like(mean)
        if self.hit:
            gates_1 = (uniform > torch.sigmoid(-spec.k * self.gate_logits)).float()
            gates_2 = (uniform < torch.sigmoid(spec.k * self.gate_logits)).float()
        else:
            gates_1 = gates_2 = torch.ones_like(mean)
        with torch.no_grad():
            errors_1 = (self.vae.decoder(latents * gates_1) - images).square().flatten(1).sum(1)
        errors_2 = (self.vae.decoder(latents * gates_2) - images).square().flatten(1).sum(1)
        constraint = errors_2.mean() - spec.tau
        now = constraint.detach()
        before = self.constraint_ma
        self.constraint_ma = now if before is None else spec.alpha * before + (1 - spec.alpha) * now
        multiplier = F.softplus(self.raw_multiplier).square()
        kl = -0.5 * (1 + log_variance - log_variance.exp() - mean.square())
        loss = multiplier * (constraint + (self.constraint_ma - now))
        loss = loss + ((kl * gates_2).sum(1) / gates_2.sum(1).clamp(min=1)).mean()
        met = now.item() <= 0
        if met:
            loss = loss + torch.sigmoid(spec.k * self.gate_logits).sum()
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        if self.gate_logits.grad is None:
            self.gate_logits.grad = torch.zeros_like(self.gate_logits)
        if self.hit:
            difference = (errors_1 - errors_2.detach())[:, None]
            arm = (difference * (uniform - 0.5)).mean(0)
            self.gate_logits.grad += multiplier.detach() * spec.k * arm
        self.raw_multiplier.grad.neg_()
        self.optimizer.step()
        self.hit = self.hit or met
        return errors_2.mean().item()


def _upsample_and_convolve(module: UpsampledConv2d, inputs: Tensor) -> Tensor:
    large = F.interpolate(inputs, scale_factor=2, mode="nearest")
    return F.conv2d(large, module.weight, module.bias, padding=(module.kernel_size[0] - 1) // 2)


def _view_as_images(module: Unflatten, inputs: Tensor) -> Tensor:
    return inputs.view(-1, module.channels, module.side, module.side)
