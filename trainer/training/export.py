"""A finished model as one safetensors file, and read back with its open dimensions only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from trainer import bounded_json
from trainer.errors import UserError
from trainer.functional import gates
from trainer.networks import NETWORKS, VAE
from trainer.objectives.state import TrainState
from trainer.spec import TrialSpec
from trainer.step.trial import Trial


class NarrowModel(nn.Module):
    """A trained VAE that takes and returns only its open latent dimensions.

    It is in evaluation mode: BatchNorm uses the statistics of training.
    """

    open_dimensions: Tensor
    """The indices of the network's open dimensions, integers [open_gates]."""

    def __init__(self, vae: VAE, open_mask: Tensor, spec: TrialSpec) -> None:
        super().__init__()
        self.vae = vae
        self.spec = spec
        self.register_buffer("open_dimensions", open_mask.nonzero().squeeze(1))
        self.eval()

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the posterior means of the open dimensions.

        Args:
            images: in [0, 1], [batch, channels, height, width].

        Returns:
            [batch, open_gates].
        """
        mean: Tensor = self.vae.encoder(images)[:, : self.vae.width]
        return mean[:, self.open_dimensions]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return the images, in [0, 1], of latents [batch, open_gates]."""
        full = latents.new_zeros(len(latents), self.vae.width)
        full[:, self.open_dimensions] = latents
        images: Tensor = self.vae.decoder(full)
        return images


def model_file(trial: Trial, state: TrainState) -> bytes:
    """Encode the network's named weights and buffers, `gate_logits` and the open `gates`.

    The spec and the images' shape are in the file's metadata.
    """
    weights = trial.network.unflatten(state.parameters)
    tensors = weights | state.buffers
    tensors["gate_logits"] = state.gate_logits
    tensors["gates"] = gates.open_at_inference(state.gate_logits)
    # One entry: safetensors writes several in no fixed order, and equal models are to be equal
    # files.
    model = {"spec": trial.spec.to_json(), "image_shape": trial.dataset.image_shape}
    metadata = {"model": json.dumps(model)}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(contiguous, metadata)


def load_model(path: Path | str, sha256: str | None = None) -> NarrowModel:
    """Read the model of a finished trial.

    Args:
        path: the file.
        sha256: the digest of its bytes in hexadecimal digits: `model_sha256` in the trial's row.

    Raises:
        UserError: if there is no such file, it has another digest, or it is not a model of this
            program.
    """
    if not Path(path).is_file():  # a FIFO would be waited for
        raise UserError(f"{path} is not a model of this program: there is no such file")
    try:
        if sha256 is not None and hashlib.sha256(Path(path).read_bytes()).hexdigest() != sha256:
            raise UserError(f"{path} is damaged: it is not the file that was written")
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model = bounded_json.parse_object(metadata["model"])
        spec = TrialSpec.from_json(model["spec"])
        open_mask = tensors.pop("gates")
        del tensors["gate_logits"]
        build = NETWORKS.find(spec.architecture).build
        vae = build(tuple(model["image_shape"]), spec.width, spec.layers)
        vae.load_state_dict(tensors)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a model of this program: {error}") from error
    except RuntimeError as error:  # how torch says that weights do not fit a network
        raise UserError(f"{path} does not fit its own description: {error}") from error
    return NarrowModel(vae, open_mask, spec)
