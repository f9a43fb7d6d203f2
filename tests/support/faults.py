"""Faults as they happen: disks that are small or cannot be written, files that are damaged."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import processes_of
from study import wait_for

from sweeper.ledger.ledger import Ledger

QUESTION = ("run", "pareto", "--taus", "2,3", "--steps", "800", "--layers", "16")
"""Two trials of some seconds; `undisturbed` (a fixture) has what they come to."""
LOCAL = (*QUESTION, "--backend", "local", "--study", "s")
RAY = (*QUESTION, "--workers", "2", "--study", "s")
OFTEN = ("--checkpoint-seconds", "0.05")


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory; skips the test where that is not allowed."""
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("needs the command `mount`")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"mounting a small disk needs root: {ran.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk of a folder but for some bytes; gives the file to remove to make room."""
    ballast = folder / "ballast"
    space = os.statvfs(folder)
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # it is full
        for _ in range((space.f_bavail * space.f_frsize - leave) // 4096):
            file.write(bytes(4096))
    return ballast


def damage(path: Path, how: str) -> None:
    """Damage a file: `truncated`, `flipped` (one bit) or `missing`."""
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints of a study, each trial's oldest first."""
    return sorted(folder.glob("checkpoints/*/*.safetensors"))


def pause_workers(run: int, folder: Path, undisturbed: Path) -> list[int]:
    """Stop each worker of a run as soon as its trial has two checkpoints; gives the workers."""
    rows = Ledger(undisturbed).rows().to_pylist()
    to_stop = {f"ray::pareto digits τ={row['tau']:g} ": row["trial_id"] for row in rows}
    stopped = []

    def stop() -> bool:
        for worker, title in processes_of(run).items():
            name = next((name for name in to_stop if title.startswith(name)), "")
            if name and len(list(folder.glob(f"checkpoints/{to_stop[name]}/*.safetensors"))) == 2:
                os.kill(worker, signal.SIGSTOP)
                stopped.append(worker)
                del to_stop[name]
        return not to_stop

    wait_for(stop)
    return stopped


def begun(folder: Path) -> list[Path]:
    """List where the trials that have been begun, and have not ended, keep their state."""
    return [path.parent for path in folder.glob("checkpoints/*/attempt.json")]
