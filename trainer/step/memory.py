"""How many trials fit on a GPU together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer.step.cuda_graph import InPlaceStepper, cuda_graph
from trainer.step.pack import Pack
from trainer.step.trial import Trial

MAX_PACK = 64
"""The largest pack that `--pack auto` chooses. Not measured; a larger one gains nothing on a GPU
that is busy already, and loses more with a failure."""

MARGIN = 0.8
"""Share of the memory that packs may fill: evaluation and fragmentation take more than the steps
that were measured."""

CONTEXT_BYTES = 2**30
"""About the memory that CUDA and its libraries take on a GPU in each process."""


def largest_pack(one: int, two: int, available: int) -> int:
    """Return how many trials fit, 1 to `MAX_PACK`, if each takes as much more as the second did.

    Args:
        one: the most memory that training one trial takes, bytes.
        two: the same of two that are trained together.
        available: bytes.
    """
    room, each = MARGIN * available - one, two - one
    if room <= 0:
        return 1
    return min(MAX_PACK, 1 + int(room / each)) if each > 0 else MAX_PACK


def available_bytes(workers: int) -> int:
    """Return the GPU memory, in bytes, for each of the processes that will share what is free."""
    free, _ = torch.cuda.mem_get_info()
    return free // workers - CONTEXT_BYTES


def peak_bytes(trials: Sequence[Trial]) -> int:
    """Train trials on their GPU for a few steps, and return the most memory in use, in bytes.

    That includes whatever else this process keeps there, such as the images.
    """
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    stepper = InPlaceStepper(Pack(trials), cuda_graph)
    joint = stepper.join([trial.initial_state() for trial in trials])
    for step in range(3):
        joint, _ = stepper.advance(joint, [step] * len(trials))
    stepper.split(joint, 0)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
