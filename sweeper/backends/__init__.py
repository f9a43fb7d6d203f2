"""What executes trials: one file each, one row each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from sweeper.backends.base import TRIALS_PER_GPU, Backend
from sweeper.environment import cores
from sweeper.planning.compilation import check_compile
from trainer.errors import UserError, unknown_name
from trainer.hardware import choose_device

if TYPE_CHECKING:  # a worker comes here first, and would go round in a circle
    from sweeper.run.record import RunOptions

OnLost: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class BackendRow:
    """A row of the registry."""

    open: Callable[[RunOptions, OnLost], Backend]
    """Start it; imports what it needs, which may take seconds."""
    parallel: bool
    """Whether it trains several trials at a time, on several machines if there are."""


def _ray(options: RunOptions, on_lost: OnLost) -> Backend:
    if options.address is None:
        # Read when Ray is imported: all servers of the Ray that is started here listen on
        # 127.0.0.1 alone, as Ray has it by itself on macOS.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from sweeper.backends.ray.backend import RayBackend

    # The driver need not have the device of the workers of a cluster that it joins.
    device = options.device if options.address else choose_device(options.device).type
    return RayBackend(
        address=options.address, device=device, workers=options.workers, on_lost=on_lost
    )


def _local(options: RunOptions, on_lost: OnLost) -> Backend:
    from sweeper.backends.local import LocalBackend

    return LocalBackend(choose_device(options.device).type)


BACKENDS: dict[str, BackendRow] = {
    "ray": BackendRow(_ray, parallel=True),
    "local": BackendRow(_local, parallel=False),
}


def check_options(options: RunOptions) -> None:
    """Refuse, before anything is started, options that no backend can honour.

    Raises:
        UserError: if the backend or device is unknown or not there, or cannot do what is asked.
    """
    if options.backend not in BACKENDS:
        raise unknown_name("backend", options.backend, BACKENDS)
    device = options.device
    if options.address is None or device not in ("auto", "cuda"):
        device = choose_device(device).type
    check_compile(options, device)
    if BACKENDS[options.backend].parallel:
        return
    if options.address is not None:
        raise UserError(f"--backend {options.backend} trains in this process; leave --address away")
    if options.workers not in (None, 1):
        raise UserError(
            f"--backend {options.backend} trains one trial at a time, found --workers "
            f"{options.workers}; use --backend ray"
        )


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
    """Say how many trials would be trained at a time on this machine."""
    if not BACKENDS[options.backend].parallel:
        return 1
    if options.workers is not None:
        return options.workers
    if choose_device(options.device).type == "cuda":
        return min(cores(), TRIALS_PER_GPU * torch.cuda.device_count())
    return cores()
