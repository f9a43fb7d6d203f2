"""One trial, ready to be trained: its data, network, step and random numbers."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from trainer.data import Dataset
from trainer.data.base import ImageSet
from trainer.data.drawn.rendered import Rendered, RenderedOn
from trainer.errors import UserError
from trainer.functional import adam, gates
from trainer.networks import NETWORKS
from trainer.networks.network import Network
from trainer.objectives import OBJECTIVES, Constants
from trainer.objectives.gradients import GradAndValue, grad_and_value
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import TrialSpec
from trainer.step.random import RandomStream, derive

DeviceImages = Tensor | RenderedOn
"""Stored images, uint8, indexed by integer tensors."""


class Trial:
    """Everything of a trial that training does not change.

    Args:
        spec: the trial.
        dataset: the data it names.
        device: where it is trained.
        dtype: of parameters and noise.
        images: the training images on the device (`on_device`), if they are there already:
            trials that are trained together share them.

    Raises:
        UserError: if the data has other content than the spec asks for, or the network or the
            objective cannot train the spec.
    """

    def __init__(
        self,
        spec: TrialSpec,
        dataset: Dataset,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        images: DeviceImages | None = None,
    ) -> None:
        if dataset.sha256 != spec.dataset_sha256:
            raise UserError(
                f"data set {spec.dataset!r} changed: the trial was asked on content "
                f"{spec.dataset_sha256[:12]}, found {dataset.sha256[:12]}"
            )
        row = OBJECTIVES.find(spec.objective)
        row.check(spec)
        self.spec = spec
        self.device = device
        self.dtype = dtype
        self.dataset = dataset
        self.network = network_of(spec, dataset)
        self.constants = Constants.of(spec, device, dtype)
        self._step = row.step(self.network)
        self._images = on_device(dataset.train, device) if images is None else images
        self.random = RandomStream(
            spec.seed, spec.batch_size, spec.width, len(dataset.train), device, dtype
        )

    def initial_state(self) -> TrainState:
        """Return the state before the first step."""
        spec = self.spec
        parameters, buffers = self.network.initial(derive(spec.seed, "parameters"))

        def scalar(value: float | bool, dtype: torch.dtype = self.dtype) -> Tensor:
            return torch.tensor(value, device=self.device, dtype=dtype)

        gate_logits = torch.full((spec.width,), spec.gate_init)
        return TrainState(
            parameters=self._place(parameters),
            buffers={name: self._place(value) for name, value in buffers.items()},
            gate_logits=self._place(gate_logits),
            multiplier=scalar(spec.lambda_init),
            constraint_ma=scalar(0.0),
            hit=scalar(False, torch.bool),
            adam=adam.init(self._place(torch.zeros(len(parameters) + spec.width + 1))),
            step=scalar(0, torch.int64),
            train_sse=scalar(0.0),
            kl=scalar(0.0),
            open_gates=gates.count_open(gate_logits).to(self.device),
            settled_step=scalar(0, torch.int64),
        )

    def advance(self, state: TrainState, step: int) -> tuple[TrainState, BatchMeasures]:
        """Take step number `step`, counted from 0, which must be the state's own."""
        return self.step(state, *self.random.at(step))

    def step(
        self, state: TrainState, indices: Tensor, noise: Noise
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step on the images at `indices`, [batch]: pure, and without a look at a value."""
        return self.pure_step(self.constants, state, self.images(indices), noise)

    def pure_step(
        self,
        constants: Constants,
        state: TrainState,
        images: Tensor,
        noise: Noise,
        grad_and_value: GradAndValue = grad_and_value,
    ) -> tuple[TrainState, BatchMeasures]:
        """Take a step of any trial of this kind on a batch of images; see `Step`."""
        return self._step(constants, state, images, noise, grad_and_value)

    def images(self, indices: Tensor) -> Tensor:
        """Return training images in [0, 1]: indices [..., batch] → [..., batch, channels, …]."""
        return self._images[indices].to(self.dtype) / self.dataset.levels

    def _place(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.dtype if value.is_floating_point() else None)


def on_device(images: ImageSet, device: torch.device) -> DeviceImages:
    """Copy stored images to the device; rendered ones are drawn there, batch by batch."""
    if isinstance(images, Rendered):
        return images.on(device)
    return torch.from_numpy(images).to(device)


def network_of(spec: TrialSpec, dataset: Dataset) -> Network:
    """Build the network of a trial.

    Raises:
        UserError: if the architecture is unknown or cannot take these images.
    """
    build = NETWORKS.find(spec.architecture).build
    return Network(partial(build, dataset.image_shape, spec.width, spec.layers))
