"""What executes trials: one file each, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sweeper.backends.base import Backend
from trainer.errors import UserError, unknown_name
from trainer.hardware import choose_device

if TYPE_CHECKING:
    from sweeper.run import RunOptions


def _ray(options: RunOptions) -> Backend:
    from sweeper.backends.ray import RayBackend  # importing Ray takes seconds

    # The driver need not have the device of the workers of a cluster that it joins.
    device = options.device if options.address else choose_device(options.device).type
    return RayBackend(address=options.address, device=device, workers=options.workers)


def _local(options: RunOptions) -> Backend:
    from sweeper.backends.local import LocalBackend

    if options.address is not None:
        raise UserError("--address joins a Ray cluster; leave --backend local away")
    if options.workers not in (None, 1):
        raise UserError(
            f"--backend local trains one trial at a time, found --workers {options.workers}; "
            "use --backend ray"
        )
    return LocalBackend(choose_device(options.device).type)


BACKENDS: dict[str, Callable[[RunOptions], Backend]] = {"ray": _ray, "local": _local}


def open_backend(options: RunOptions) -> Backend:
    """Start the backend that the options name.

    Raises:
        UserError: if there is none of this name, or it cannot be started.
    """
    if options.backend not in BACKENDS:
        raise unknown_name("backend", options.backend, BACKENDS)
    return BACKENDS[options.backend](options)
