"""Studies run as a user runs them, by the command line: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.ledger.ledger import Ledger
from sweeper.worker.worker import ledger_at

TIMES = {"seconds", "steps_per_second", "started_at", "finished_at", "attempts"}
"""What may differ between two trainings of the same trial."""


def starts_ray(test: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a test that starts Ray: a slow one, and never beside another such one."""
    return pytest.mark.slow(pytest.mark.xdist_group("ray")(test))


def here(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end in this process, which saves importing torch.

    Not for commands that start Ray or take signals, nor for an environment that is only read
    when a process starts.
    """
    command = ["sweeper", *arguments]
    with pytest.MonkeyPatch.context() as patch, as_it_was():
        patch.chdir(cwd)
        patch.setattr(sys, "argv", command)
        ran = CliRunner().invoke(
            app, arguments, env={"COLUMNS": "100", **environment}, catch_exceptions=False
        )
    return subprocess.CompletedProcess(command, ran.exit_code, ran.stdout, ran.stderr)


@contextlib.contextmanager
def as_it_was() -> Iterator[None]:
    """Undo afterwards what training sets in a process, and remember no ledger of before."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    conv = torch.backends.cudnn.conv.fp32_precision
    ledger_at.cache_clear()
    try:
        yield
    finally:
        ledger_at.cache_clear()
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.conv.fp32_precision = conv


def sweeper(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sweeper", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def start(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command line, as the leader of its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "sweeper", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> Any:
    """Wait until `condition` returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")


def free_port() -> int:
    """Return a port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a run and everything it started, without a warning."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def rows(folder: Path | str) -> list[dict[str, Any]]:
    """Return a study's rows without what may differ, in the order of their ids."""
    table = Ledger(folder).rows().to_pylist()
    kept = [{name: row[name] for name in row if name not in TIMES} for row in table]
    return sorted(kept, key=lambda row: str(row["trial_id"]))


def contents(folder: Path) -> dict[str, Any]:
    """Return all that a study keeps of its trials, less what may differ, by file name."""
    curves = {
        path.name: pq.read_table(path).drop_columns(["seconds"]).to_pylist()
        for path in (folder / "curves").iterdir()
    }
    models = {path.name: path.read_bytes() for path in (folder / "models").iterdir()}
    samples = {
        path.stem: Ledger(folder).sample(path.stem)["reconstructions"].tolist()
        for path in (folder / "samples").iterdir()
    }
    return {"rows": rows(folder), **curves, **models, **samples}
