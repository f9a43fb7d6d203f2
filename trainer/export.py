"""The finished model, narrow or not, as one safetensors file."""

from __future__ import annotations

import safetensors.torch

from trainer.state import TrainState
from trainer.trial import Trial


def model_file(trial: Trial, state: TrainState) -> bytes:
    """Write the network's named weights and buffers, `gate_logits` and the open `gates`.

    The spec travels in the file's metadata under `spec`, so that the network can be built again:
    `trainer.architectures.architecture(spec.architecture).build(...)`.
    """
    weights = trial.network.unflatten(state.parameters)
    tensors = {name: value.detach().cpu() for name, value in (weights | state.buffers).items()}
    tensors["gate_logits"] = state.gate_logits.cpu()
    tensors["gates"] = (state.gate_logits > 0).cpu()
    contiguous = {name: value.clone().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(contiguous, {"spec": trial.spec.to_json()})
