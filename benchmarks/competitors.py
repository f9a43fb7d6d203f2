"""Other ways than the product's to train K trials on one GPU, to be measured beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks.conv import UpsampledConv2d, fold
from trainer.objectives.state import TrainState
from trainer.step.cuda_graph import InPlaceStepper, Recorder, cuda_graph, eager
from trainer.step.pack import Pack
from trainer.step.stepper import SingleStepper, Stepper
from trainer.step.trial import Trial

Build = Callable[[Sequence[Trial]], Stepper]


class Branches:
    """K solo steps, each on a stream of its own, in one graph: a trial's kernels as if alone."""

    def __init__(self, trials: Sequence[Trial], record: Recorder = cuda_graph) -> None:
        self._each = [InPlaceStepper(SingleStepper(trial), eager) for trial in trials]
        self._record = record
        on_gpu = trials[0].device.type == "cuda"
        self._streams = [torch.cuda.Stream() for _ in trials] if on_gpu else []

    def join(self, states: Sequence[TrainState]) -> list[TrainState]:
        """See `trainer.step.stepper.Stepper`; the joint state is a list."""
        joint = [each.join([state]) for each, state in zip(self._each, states, strict=True)]
        changed = [tensor for each in self._each for tensor in each.tensors]
        self._take = self._record(self.step_in_place, changed)
        return joint

    def split(self, joint: list[TrainState], index: int) -> TrainState:
        """Return a copy of one trial's state."""
        return self._each[index].split(joint[index], 0)

    def advance(
        self, joint: list[TrainState], steps: Sequence[int]
    ) -> tuple[list[TrainState], None]:
        """Take a step of every trial."""
        for each, step in zip(self._each, steps, strict=True):
            each.seek([step])
        self._take()
        return joint, None

    def step_in_place(self) -> None:
        """Take the step in place; on a CPU one trial after the other."""
        if not self._streams:
            for each in self._each:
                each.step_in_place()
            return
        here = torch.cuda.current_stream()
        for stream, each in zip(self._streams, self._each, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                each.step_in_place()
        for stream in self._streams:
            here.wait_stream(stream)


def by_im2col(trials: Sequence[Trial]) -> Pack:
    """Make a pack whose convolutions are matrix products, batched over trials (`bmm`)."""
    for trial in trials:
        for module in trial.network._vae.modules():
            if isinstance(module, UpsampledConv2d):
                module.forward = partial(_transposed_by_columns, module)
            elif isinstance(module, nn.Conv2d):
                module.forward = partial(_by_columns, module)
    return Pack(trials)


def keep_norms_in_float32(trials: Sequence[Trial]) -> None:
    """Convert BatchNorm's inputs to float32, under autocast too: not all its kernels mix types."""
    for trial in trials:
        for module in trial.network._vae.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.forward = partial(_in_float32, module.forward)


def _in_float32(forward: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    return forward(inputs.float())


def _by_columns(module: nn.Conv2d, inputs: Tensor) -> Tensor:
    size, side = module.kernel_size[0], inputs.shape[-1]
    columns = F.unfold(inputs, size, stride=2, padding=1)  # [batch, before·size², pixels]
    product = module.weight.flatten(1) @ columns.transpose(0, 1).flatten(1)
    product = product + module.bias[:, None]
    after = (side + 2 - size) // 2 + 1
    return product.view(len(product), -1, after, after).transpose(0, 1)


def _transposed_by_columns(module: UpsampledConv2d, inputs: Tensor) -> Tensor:
    kernel, side = fold(module.weight), inputs.shape[-1]  # [before, after, size, size]
    size = kernel.shape[-1]
    product = kernel.flatten(1).T @ inputs.transpose(0, 1).flatten(1)
    columns = product.view(len(product), -1, side * side).transpose(0, 1)
    images = F.fold(columns, 2 * side - 4 + size, size, stride=2, padding=1)
    return images + module.bias[:, None, None]


VARIANTS: dict[str, Build] = {
    "solo eager": lambda trials: SingleStepper(trials[0]),
    "solo graph": lambda trials: InPlaceStepper(SingleStepper(trials[0]), cuda_graph),
    "vmap eager": Pack,
    "vmap graph": lambda trials: InPlaceStepper(Pack(trials), cuda_graph),
    "branch graph": Branches,
    "im2col eager": by_im2col,
    "im2col graph": lambda trials: InPlaceStepper(by_im2col(trials), cuda_graph),
}
"""By name; what is called a graph needs CUDA."""
