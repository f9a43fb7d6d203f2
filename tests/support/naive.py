"""Algorithm 1 once more, image by image and line by line, for the tests alone.

Written from the paper and its clarifications, not from the product's code: loops and scalars, a
fresh graph a step, torch's own Adam. Slow, and hard to get wrong.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class NaiveTrial:
    """A VAE under training; without gates, the paper's regular one."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        width: int,
        tau: float,
        lr: float,
        gated: bool = True,
    ) -> None:
        self.encoder, self.decoder, self.tau = encoder.double(), decoder.double(), tau
        self.gated = gated
        self.gamma = nn.Parameter(torch.full((width,), 0.42, dtype=torch.float64))
        self.raw = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.optimizer = torch.optim.Adam(
            [*encoder.parameters(), *decoder.parameters(), self.gamma, self.raw], lr=lr
        )
        self.hit = False
        self.average: float | None = None

    def step(self, images: Tensor, epsilon: Tensor, uniform: Tensor) -> float:
        k, alpha, count = 7.0, 0.99, len(images)
        both = self.encoder(images)
        width = len(self.gamma)
        mean, log_variance = both[:, :width], both[:, width:]
        z = mean + torch.sqrt(torch.exp(log_variance)) * epsilon
        nu_1, nu_2 = torch.ones(count, width).double(), torch.ones(count, width).double()
        if self.gated and self.hit:
            for i in range(count):
                for j in range(width):
                    p_open = 1 / (1 + math.exp(-k * self.gamma[j].item()))
                    p_closed = 1 / (1 + math.exp(k * self.gamma[j].item()))
                    nu_1[i, j] = 1.0 if uniform[i, j].item() > p_closed else 0.0
                    nu_2[i, j] = 1.0 if uniform[i, j].item() < p_open else 0.0
        statistics = {name: value.clone() for name, value in self.decoder.named_buffers()}
        with torch.no_grad():
            out_1 = self.decoder(z * nu_1)
        for name, value in self.decoder.named_buffers():  # as if the first pass had not been
            value.copy_(statistics[name])
        out_2 = self.decoder(z * nu_2)
        errors_1 = [((out_1[i] - images[i]) ** 2).sum() for i in range(count)]
        errors_2 = [((out_2[i] - images[i]) ** 2).sum() for i in range(count)]
        constraint = sum(errors_2) / count - self.tau
        value = constraint.item()
        self.average = value if self.average is None else alpha * self.average + (1 - alpha) * value
        surrogate = constraint - value + self.average
        multiplier = torch.log(1 + torch.exp(self.raw)) ** 2
        regulariser = torch.zeros((), dtype=torch.float64)
        for i in range(count):
            kl = -0.5 * (1 + log_variance[i] - torch.exp(log_variance[i]) - mean[i] ** 2)
            regulariser = regulariser + (kl * nu_2[i]).sum() / max(1.0, nu_2[i].sum().item())
        loss = multiplier * surrogate + regulariser / count
        if self.gated and value <= 0:
            loss = loss + sum(torch.sigmoid(k * g) for g in self.gamma)
        self.optimizer.zero_grad()
        loss.backward()
        if self.gamma.grad is None:
            self.gamma.grad = torch.zeros_like(self.gamma)
        if self.gated and self.hit:
            for j in range(width):
                terms = [
                    (errors_1[i] - errors_2[i]).item() * (uniform[i, j].item() - 0.5)
                    for i in range(count)
                ]
                self.gamma.grad[j] += multiplier.item() * k * sum(terms) / count
        self.raw.grad.neg_()
        self.optimizer.step()
        low, high = (math.log(math.exp(math.sqrt(bound)) - 1) for bound in (1e-5, 5.0))
        self.raw.data.clamp_(low, high)
        self.hit = self.hit or value <= 0
        return value
