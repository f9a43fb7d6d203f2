"""What executes trials: one file or folder each, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from sweeper.environment import cores
from sweeper.messages import Backend
from sweeper.options import TRIALS_PER_GPU, RunOptions
from trainer.errors import UserError
from trainer.hardware import choose_device
from trainer.registry import Registry

OnLost: TypeAlias = Callable[[str], None]
"""Called from another thread, with what has died, if the run cannot go on."""


@dataclass(frozen=True)
class BackendRow:
    """A row of the registry."""

    open: Callable[[RunOptions, OnLost], Backend]
    """Start it; imports what it needs, which may take seconds."""
    parallel: bool
    """Whether it trains several trials at a time, on several machines if there are."""


def _ray(options: RunOptions, on_lost: OnLost) -> Backend:
    from sweeper.backends.ray import open_ray

    return open_ray(options, on_lost)


def _local(options: RunOptions, on_lost: OnLost) -> Backend:
    from sweeper.backends.local import LocalBackend

    return LocalBackend(choose_device(options.device).type)


BACKENDS = Registry(
    "backend",
    {
        "ray": BackendRow(_ray, parallel=True),
        "local": BackendRow(_local, parallel=False),
    },
)


def check_backend(options: RunOptions) -> str:
    """Check, before anything is started, that the backend can do what the options ask.

    Returns:
        The device, as far as this machine knows it: `auto`, `cuda` or `cpu`.

    Raises:
        UserError: if the backend or device is unknown or not there, or cannot do what is asked.
    """
    row = BACKENDS.find(options.backend)
    device = options.device
    if options.address is None or device not in ("auto", "cuda"):
        device = choose_device(device).type
    if row.parallel:
        return device
    if options.address is not None:
        raise UserError(f"--backend {options.backend} trains in this process; leave --address away")
    if options.workers not in (None, 1):
        raise UserError(
            f"--backend {options.backend} trains one trial at a time, found --workers "
            f"{options.workers}; use --backend ray"
        )
    return device


def open_backend(options: RunOptions, on_lost: OnLost) -> Backend:
    """Start the backend that the options name.

    Args:
        options: how to run.
        on_lost: called from another thread, with what has died, if the run cannot go on; the
            calling thread may then be stuck for good.

    Raises:
        UserError: if it cannot be started.
    """
    return BACKENDS[options.backend].open(options, on_lost)


def expected_workers(options: RunOptions) -> int:
    """Return how many trials would be trained at a time on this machine."""
    if not BACKENDS[options.backend].parallel:
        return 1
    if options.workers is not None:
        return options.workers
    if choose_device(options.device).type == "cuda":
        return min(cores(), TRIALS_PER_GPU * torch.cuda.device_count())
    return cores()
