"""GECO alone: a VAE of fixed width whose error is held at τ, or minimised (τ = 0).

That is the paper's regular VAE (Table 1, first step): Algorithm 1 with all gates fixed open and no
L0 term. Algorithm 1 itself (`geco_l0_arm`) is built from the same parts.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.functional import adam, gates, geco, vae
from trainer.networks.network import Buffers, Network
from trainer.objectives.base import Constants, Objective
from trainer.objectives.gradients import GradAndValue, grad_and_value
from trainer.objectives.state import BatchMeasures, Noise, TrainState

MEASURE_KEEP = 0.95
"""Keep-rate of the reported moving averages (the paper's Table 1)."""


class Variables(NamedTuple):
    """What Adam updates. θ, φ and γ descend the Lagrangian, λ ascends it."""

    parameters: Tensor
    gate_logits: Tensor
    multiplier: Tensor

    @classmethod
    def of(cls, state: TrainState) -> Variables:
        """Return the variables of a state."""
        return cls(state.parameters, state.gate_logits, state.multiplier)


class ForwardAux(NamedTuple):
    """What the rest of the step needs from the forward pass, all detached."""

    buffers: Buffers
    latents: Tensor
    """z before the gates, [batch, width]."""
    errors: Tensor
    """sse of each image, [batch]."""
    kl: Tensor
    """KL of each image over its open gates, nats, [batch]."""
    constraint: Tensor
    constraint_ma: Tensor


def step(
    network: Network,
    constants: Constants,
    state: TrainState,
    images: Tensor,
    noise: Noise,
    grad_and_value: GradAndValue = grad_and_value,
) -> tuple[TrainState, BatchMeasures]:
    """Take one step with all gates open; see `Step`."""
    variables = Variables.of(state)
    loss = partial(_ungated_loss, network)
    gradient, (_, aux) = grad_and_value(loss)(variables, constants, state, images, noise)
    return update(variables, gradient, constants, state, aux)


def _ungated_loss(
    network: Network,
    variables: Variables,
    constants: Constants,
    state: TrainState,
    images: Tensor,
    noise: Noise,
) -> tuple[Tensor, ForwardAux]:
    all_open = constants.latent_mask.to(noise.epsilon.dtype).expand(noise.epsilon.shape)
    return lagrangian(network, variables, constants, state, images, noise.epsilon, all_open)


def lagrangian(
    network: Network,
    variables: Variables,
    constants: Constants,
    state: TrainState,
    images: Tensor,
    epsilon: Tensor,
    open_gates: Tensor,
) -> tuple[Tensor, ForwardAux]:
    """Compute λ'·C' + KL per open gate (Algorithm 1, lines 2-26, less the L0 term).

    Args:
        network: the encoder and decoder.
        variables: what the loss is differentiated by.
        constants: the trial's settings.
        state: the trial so far.
        images: the batch, [batch, channels, height, width] in [0, 1].
        epsilon: samples the posterior, [batch, width].
        open_gates: 1 where a gate is open, otherwise 0, [batch, width].
    """
    weights = network.unflatten(variables.parameters)
    mean, log_variance, buffers = network.encode(weights, state.buffers, images)
    latents = vae.reparameterise(mean, log_variance, epsilon)
    reconstructions, buffers = network.decode(weights, buffers, latents * open_gates)
    errors = vae.sse(reconstructions, images)

    constraint = errors.mean() - constants.tau
    constraint_ma = geco.moving_average(
        state.constraint_ma, constraint.detach(), constants.alpha, state.step == 0
    )
    kl = (vae.kl_elementwise(mean, log_variance) * open_gates).sum(1)
    kl_per_gate = kl / open_gates.sum(1).clamp(min=1)  # all gates may be closed
    weighted = geco.multiplier(variables.multiplier) * geco.replace_value(constraint_ma, constraint)
    aux = ForwardAux(
        buffers,
        latents.detach(),
        errors.detach(),
        kl.detach(),
        constraint.detach(),
        constraint_ma,
    )
    return weighted + kl_per_gate.mean(), aux


def update(
    variables: Variables,
    gradient: Variables,
    constants: Constants,
    state: TrainState,
    aux: ForwardAux,
) -> tuple[TrainState, BatchMeasures]:
    """Update the variables along the Lagrangian's gradient (line 31); returns the next state."""
    ascending = gradient._replace(multiplier=-gradient.multiplier)
    moved, adam_state = _optimize(variables, ascending, state, constants)
    return _next_state(state, moved, adam_state, aux), BatchMeasures(aux.errors, aux.kl)


def _optimize(
    variables: Variables, gradient: Variables, state: TrainState, constants: Constants
) -> tuple[Variables, adam.AdamState]:
    """Take Adam's step, and clamp λ' to its bounds (line 21) outside of the graph.

    A clamp inside the loss has gradient zero beyond the bound, where λ would stay for ever.
    """
    flat, adam_state = adam.update(
        _flatten(variables), _flatten(gradient), state.adam, state.step + 1, constants.learning_rate
    )
    sizes = [state.parameters.shape[0], state.gate_logits.shape[0], 1]
    parameters, gate_logits, multiplier = torch.split_with_sizes(flat, sizes)
    multiplier = multiplier.squeeze(0).clamp(
        constants.raw_multiplier_min, constants.raw_multiplier_max
    )
    return Variables(parameters, gate_logits, multiplier), adam_state


def _next_state(
    state: TrainState, moved: Variables, adam_state: adam.AdamState, aux: ForwardAux
) -> TrainState:
    first = state.step == 0
    taken = state.step + 1
    keep = torch.full_like(aux.constraint, MEASURE_KEEP)
    open_gates = gates.count_open(moved.gate_logits)
    return TrainState(
        parameters=moved.parameters,
        buffers=aux.buffers,
        gate_logits=moved.gate_logits,
        multiplier=moved.multiplier,
        constraint_ma=aux.constraint_ma,
        hit=state.hit | (aux.constraint <= 0),
        adam=adam_state,
        step=taken,
        train_sse=geco.moving_average(state.train_sse, aux.errors.mean(), keep, first),
        kl=geco.moving_average(state.kl, aux.kl.mean(), keep, first),
        open_gates=open_gates,
        settled_step=torch.where(open_gates == state.open_gates, state.settled_step, taken),
    )


def _flatten(variables: Variables) -> Tensor:
    parameters, gate_logits, multiplier = variables
    return torch.cat([parameters, gate_logits, multiplier.unsqueeze(0)])


def bind(network: Network) -> partial[tuple[TrainState, BatchMeasures]]:
    """Return the step for a network."""
    return partial(step, network)


GECO = Objective("geco", "GECO without gates: a VAE of fixed width", bind, least_error=True)
