"""Everything that training changes in a trial."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from trainer.functional.adam import AdamState
from trainer.networks.network import Buffers


class TrainState(NamedTuple):
    """The complete state of one trial: with the noise of a step it determines the next state.

    A tree of tensors: it can be stacked over trials, cuda_graph in a graph and written to disk.
    """

    parameters: Tensor
    """θ and φ as one vector, [parameters]."""
    buffers: Buffers
    """BatchNorm statistics."""
    gate_logits: Tensor
    """γ, [width]."""
    multiplier: Tensor
    """The raw λ, of which λ' = softplus(λ)²; a scalar."""
    constraint_ma: Tensor
    """C_ma; a scalar, without meaning before the first step."""
    hit: Tensor
    """Whether the constraint was ever met; a boolean scalar."""
    adam: AdamState
    """Moments for (parameters, gate logits, λ) in this order, [parameters + width + 1]."""
    step: Tensor
    """Steps taken; an integer scalar."""
    train_sse: Tensor
    """Moving average of the batches' sse; a scalar."""
    kl: Tensor
    """Moving average of the batches' KL over open gates, nats per image; a scalar."""
    open_gates: Tensor
    """Gates with σ(kγ) > ½; an integer scalar."""
    settled_step: Tensor
    """The step at which `open_gates` last changed; an integer scalar."""


class Noise(NamedTuple):
    """The random numbers of one step."""

    epsilon: Tensor
    """Standard normal, [batch, width]: samples the posterior."""
    uniform: Tensor
    """Uniform on [0, 1), [batch, width]: samples the gates, a row per image."""


class BatchMeasures(NamedTuple):
    """What a step measured on its batch."""

    errors: Tensor
    """sse of each image under ν2, [batch]."""
    kl: Tensor
    """KL of each image over its open gates, nats, [batch]."""
