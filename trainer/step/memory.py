"""How many trials fit on a GPU together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer.step.cuda_graph import Replay, captured
from trainer.step.pack import Pack
from trainer.step.trial import Trial

MOST = 64
"""The largest pack that is chosen without being asked for. Not measured; beyond it, a GPU that is
kept busy gains nothing, and a failure costs more."""

MARGIN = 0.8
"""Share of the memory that is planned with: evaluation, and what the allocator cannot use, take
more than the steps that were measured."""

CONTEXT_BYTES = 2**30
"""About what CUDA and its libraries take of a GPU's memory in each process."""


def largest_pack(one: int, two: int, available: int) -> int:
    """Say how many trials fit, if each takes as much more as the second did: from 1 to `MOST`.

    Args:
        one: the most memory that training one trial takes, bytes.
        two: the same of two that are trained together.
        available: bytes.
    """
    room, each = MARGIN * available - one, two - one
    if room <= 0:
        return 1
    return min(MOST, 1 + int(room / each)) if each > 0 else MOST


def available_bytes(workers: int) -> int:
    """Say how much memory of a GPU is free for each of the processes that will share it."""
    free, _ = torch.cuda.mem_get_info()
    return free // workers - CONTEXT_BYTES


def peak_bytes(trials: Sequence[Trial]) -> int:
    """Train trials on their GPU for a few steps; gives the most memory that was in use.

    That includes whatever else this process keeps there, such as the images.
    """
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    program = Replay(Pack(trials), captured)
    joint = program.join([trial.initial_state() for trial in trials])
    for step in range(3):
        joint, _ = program.advance(joint, [step] * len(trials))
    program.split(joint, 0)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
