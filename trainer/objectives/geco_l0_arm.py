"""Algorithm 1 of De Boom et al.: GECO holds the error at τ, meanwhile L0-ARM closes gates."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from trainer.functional import gates, geco, vae
from trainer.networks.network import Network
from trainer.objectives.base import Constants, Objective
from trainer.objectives.geco import ForwardAux, Variables, lagrangian, update
from trainer.objectives.gradients import GradAndValue, grad_and_value
from trainer.objectives.state import BatchMeasures, Noise, TrainState


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
        noise: the random numbers of this step.
        grad_and_value: how to differentiate; see `trainer.objectives.gradients`.

    Returns:
        The next state, and the batch's measures.
    """
    variables = Variables.of(state)
    loss = partial(_gated_loss, network)
    gradient, (_, (aux, errors_1)) = grad_and_value(loss)(
        variables, constants, state, images, noise
    )
    arm = geco.multiplier(state.multiplier) * gates.arm_gradient(
        errors_1, aux.errors, noise.uniform, constants.k
    )
    masked = torch.where(state.hit & constants.latent_mask, arm, 0)  # line 29
    gradient = gradient._replace(gate_logits=gradient.gate_logits + masked)
    return update(variables, gradient, constants, state, aux)


def _gated_loss(
    network: Network,
    variables: Variables,
    constants: Constants,
    state: TrainState,
    images: Tensor,
    noise: Noise,
) -> tuple[Tensor, tuple[ForwardAux, Tensor]]:
    """Lines 3-26: the loss whose gradient trains θ, φ, λ and, with the ARM term, γ.

    Returns:
        The loss, the forward pass under ν2, and the errors under ν1, [batch].
    """
    gates_1, gates_2 = gates.sample_pair(
        state.gate_logits, noise.uniform, constants.k, state.hit, constants.latent_mask
    )
    loss, aux = lagrangian(network, variables, constants, state, images, noise.epsilon, gates_2)
    # A pass of its own, since one for both would mix their BatchNorm statistics; ν2's are kept.
    with torch.no_grad():
        weights = network.unflatten(variables.parameters)
        reconstructions, _ = network.decode(weights, state.buffers, aux.latents * gates_1)
        errors_1 = vae.sse(reconstructions, images)
    probability = gates.open_probability(variables.gate_logits, constants.k)
    l0 = torch.where(aux.constraint <= 0, (probability * constants.latent_mask).sum(), 0)
    return loss + l0, (aux, errors_1)


def bind(network: Network) -> partial[tuple[TrainState, BatchMeasures]]:
    """Return the step for a network."""
    return partial(step, network)


GECO_L0_ARM = Objective("geco-l0-arm", "GECO with L0-ARM gates (De Boom et al., Algorithm 1)", bind)
