"""Algorithm 1 of De Boom et al.: GECO holds the error at τ, L0-ARM closes gates while it holds."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.functional import adam, gates, geco, vae
from trainer.gradients import GradAndValue, grad_and_value
from trainer.network import Buffers, Network
from trainer.objectives.base import Constants, Objective
from trainer.state import BatchMeasures, Noise, TrainState

MEASURE_KEEP = 0.95
"""Keep-rate of the moving averages that are reported (the paper's Table 1)."""


class Variables(NamedTuple):
    """What Adam moves. θ, φ and γ descend the Lagrangian, λ ascends it."""

    parameters: Tensor
    gate_logits: Tensor
    multiplier: Tensor


class Lagrangian(NamedTuple):
    """What the forward passes leave behind for the rest of the step; shapes as in `step`."""

    buffers: Buffers
    errors_1: Tensor
    errors_2: Tensor
    kl: Tensor
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
    """Take one step of Algorithm 1.

    Args:
        network: the encoder and decoder.
        constants: the trial's settings.
        state: the trial so far.
        images: the batch, [batch, channels, height, width] in [0, 1].
        noise: this step's random numbers.
        grad_and_value: how to differentiate; see `trainer.gradients`.

    Returns:
        The next state, and what was seen of the batch.
    """
    variables = Variables(state.parameters, state.gate_logits, state.multiplier)
    lagrangian = partial(_lagrangian, network)
    gradient, (_, seen) = grad_and_value(lagrangian)(variables, constants, state, images, noise)
    arm = geco.multiplier(state.multiplier) * gates.arm_gradient(
        seen.errors_1, seen.errors_2, noise.uniform, constants.k
    )
    gradient = Variables(
        gradient.parameters,
        gradient.gate_logits + torch.where(state.hit & constants.exists, arm, 0),  # line 29
        -gradient.multiplier,
    )
    moved, adam_state = _optimize(variables, gradient, state, constants)
    measures = BatchMeasures(seen.errors_2, seen.kl)
    return _next_state(state, moved, adam_state, seen), measures


def _lagrangian(
    network: Network,
    variables: Variables,
    constants: Constants,
    state: TrainState,
    images: Tensor,
    noise: Noise,
) -> tuple[Tensor, Lagrangian]:
    """Lines 3-26: the loss whose gradient trains θ, φ, λ and, with the ARM term, γ."""
    weights = network.unflatten(variables.parameters)
    gates_1, gates_2 = gates.sample_pair(
        state.gate_logits, noise.uniform, constants.k, state.hit, constants.exists
    )
    mean, log_variance, buffers = network.encode(weights, state.buffers, images)
    latents = vae.reparameterise(mean, log_variance, noise.epsilon)

    # Two passes, since one would mix their BatchNorm statistics; only the second one's are kept.
    with torch.no_grad():
        errors_1 = vae.sse(network.decode(weights, buffers, latents * gates_1)[0], images)
    reconstructions, buffers = network.decode(weights, buffers, latents * gates_2)
    errors_2 = vae.sse(reconstructions, images)

    constraint = errors_2.mean() - constants.tau
    constraint_ma = geco.moving_average(
        state.constraint_ma, constraint.detach(), constants.alpha, state.step == 0
    )
    kl = (vae.kl_elementwise(mean, log_variance) * gates_2).sum(1)
    kl_per_gate = kl / gates_2.sum(1).clamp(min=1)  # all gates may be closed
    probability = gates.open_probability(variables.gate_logits, constants.k)
    l0 = torch.where(constraint <= 0, (probability * constants.exists).sum(), 0)
    loss = (
        geco.multiplier(variables.multiplier) * geco.with_value_of(constraint_ma, constraint)
        + kl_per_gate.mean()
        + l0
    )
    seen = Lagrangian(
        buffers, errors_1, errors_2.detach(), kl.detach(), constraint.detach(), constraint_ma
    )
    return loss, seen


def _optimize(
    variables: Variables, gradient: Variables, state: TrainState, constants: Constants
) -> tuple[Variables, adam.AdamState]:
    """Line 31, and the projection that keeps λ' in its bounds (line 21's clamp, out of the graph).

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
    state: TrainState, moved: Variables, adam_state: adam.AdamState, seen: Lagrangian
) -> TrainState:
    first = state.step == 0
    taken = state.step + 1
    keep = torch.full_like(seen.constraint, MEASURE_KEEP)
    open_gates = gates.count_open(moved.gate_logits)
    return TrainState(
        parameters=moved.parameters,
        buffers=seen.buffers,
        gate_logits=moved.gate_logits,
        multiplier=moved.multiplier,
        constraint_ma=seen.constraint_ma,
        hit=state.hit | (seen.constraint <= 0),
        adam=adam_state,
        step=taken,
        train_sse=geco.moving_average(state.train_sse, seen.errors_2.mean(), keep, first),
        kl=geco.moving_average(state.kl, seen.kl.mean(), keep, first),
        open_gates=open_gates,
        settled_step=torch.where(open_gates == state.open_gates, state.settled_step, taken),
    )


def _flatten(variables: Variables) -> Tensor:
    parameters, gate_logits, multiplier = variables
    return torch.cat([parameters, gate_logits, multiplier.unsqueeze(0)])


def bind(network: Network) -> partial[tuple[TrainState, BatchMeasures]]:
    """Give the step for a network."""
    return partial(step, network)


GECO_L0_ARM = Objective("geco-l0-arm", "GECO with L0-ARM gates (De Boom et al., Algorithm 1)", bind)
