"""Trials on Ray. No other folder imports Ray; `private.py` alone uses what Ray does not promise."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.options import RunOptions
from trainer.errors import UserError
from trainer.hardware import choose_device

if TYPE_CHECKING:
    from sweeper.backends.ray.backend import RayBackend

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no log files for each trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is handled by the run
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own resume is not used
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning about trials without a GPU
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told that a sweep runs
}
"""Read by Ray when it is imported; what the user has set stays."""


def open_ray(options: RunOptions, on_lost: Callable[[str], None]) -> RayBackend:
    """Start Ray on this machine, or join the cluster at `options.address`.

    Raises:
        UserError: if that is not possible.
    """
    _set_environment(joins=options.address is not None)
    from sweeper.backends.ray.backend import RayBackend

    # The driver need not have the device of the workers of a cluster that it joins.
    device = options.device if options.address else choose_device(options.device).type
    return RayBackend(
        address=options.address, device=device, workers=options.workers, on_lost=on_lost
    )


def token_path() -> Path:
    """Return where Ray keeps the secret that its servers ask for."""
    return Path.home() / ".ray" / "auth_token"


def _set_environment(*, joins: bool) -> None:
    missing = ENVIRONMENT.keys() - os.environ.keys()
    if missing and "ray" in sys.modules:
        raise UserError(
            "Ray was imported in this process before the run could set what Ray reads at its "
            "import; let the run import it, or use the backend local"
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not joins:
        # All servers of the Ray that is started listen on 127.0.0.1 alone, as on macOS.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    if token_path().exists() or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        # Where this user has a token, show it: joining a cluster by its address, Ray would not.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
