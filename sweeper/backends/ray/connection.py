"""Starting Ray on this machine, or joining a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import ray

from sweeper.backends.ray import token_path
from sweeper.backends.ray.cluster import find_head
from sweeper.backends.ray.private import (
    JobOfInstalledPackages,
    keep_credentials_from_runtime_environments,
    keep_worker_logs_quiet,
)
from sweeper.backends.ray.temporary import TemporaryFolder
from sweeper.environment import cores
from trainer.errors import UserError

OBJECT_STORE_BYTES = 128 * 2**20  # nothing but specs and progress travels


def start(folder: TemporaryFolder, device: str, workers: int | None) -> str | None:
    """Start Ray on this machine; return the dashboard's host and port.

    Args:
        folder: where all of its processes put down what they put down.
        device: `cpu` or `cuda`.
        workers: trials at a time; None for one a core.

    Raises:
        UserError: if that fails.
    """
    is_new = not token_path().exists()
    if is_new:
        _check_token_can_be_kept()
    try:
        # PYTHONSAFEPATH: some of them would import what lies in the current folder.
        with _environment(TMPDIR=str(folder.scratch), PYTHONSAFEPATH="1"):
            context = ray.init(
                address="local",  # even where another Ray runs on this machine
                num_cpus=workers or cores(),
                num_gpus=0 if device == "cpu" else None,
                include_dashboard=True,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(folder.ray),
                **_quiet(),
            )
    except Exception as error:  # Ray raises that very class when it starts too slowly
        logs = f"; its logs, until the next run: {folder.logs}" if folder.logs.exists() else ""
        raise UserError(f"cannot start Ray on this machine: {_reason(error)}{logs}") from error
    if is_new and token_path().exists():
        token_path().chmod(0o600)  # Ray leaves it to the user's umask
    return _connected(context)


def join(address: str) -> str | None:
    """Join a cluster; return the dashboard's host and port.

    Args:
        address: as in `--address`.

    Raises:
        UserError: if that fails.
    """
    head = find_head(address)
    try:
        context = ray.init(address=head, **_quiet())
    except Exception as error:
        raise UserError(
            f"cannot reach the Ray cluster at {address!r}: {_reason(error)}; check `ray status` "
            "there"
        ) from error
    return _connected(context)


def _check_token_can_be_kept() -> None:
    """Check that the secret which Ray's servers ask for can be written.

    Raises:
        UserError: if not; Ray would say something else.
    """
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        return
    folder = token_path().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"Ray keeps a secret in {folder}, which cannot be written: {error.strerror}; set HOME "
            "to a folder that can be, or use --backend local"
        ) from error


def _connected(context: Any) -> str | None:
    keep_worker_logs_quiet()
    keep_credentials_from_runtime_environments()
    url: str | None = context.dashboard_url
    return url


def _quiet() -> dict[str, Any]:
    return {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
        "job_config": JobOfInstalledPackages(),
    }


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the processes that the body starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
