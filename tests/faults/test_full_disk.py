"""The disk is full while a checkpoint, a curve or a row is written; or cannot be written at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import study
from faults import (
    LOCAL,
    OFTEN,
    QUESTION,
    RAY,
    begun,
    checkpoints,
    damage,
    fill,
    mounted,
    pause_workers,
)
from study import here, start, starts_ray, sweeper, wait_for
from typer.testing import CliRunner

from sweeper.cli.app import app

FULL = "No space left on device"


def _row_s_room(undisturbed: Path) -> int:
    """Return the bytes that take a trial's files up to its row, but not the row."""
    (row, *_) = sorted((undisturbed / "trials").glob("*.parquet"))
    before_it = [("curves", "parquet"), ("models", "safetensors"), ("samples", "npz")]
    sizes = [(undisturbed / at / f"{row.stem}.{end}").stat().st_size for at, end in before_it]
    return sum(-(-size // 4096) * 4096 for size in sizes) + 4096


@pytest.mark.slow
@pytest.mark.parametrize("written", ["a checkpoint", "a row and a curve"])
def test_a_full_disk_fails_trials_and_loses_nothing(
    written: str, undisturbed: Path, tmp_path: Path
) -> None:
    """Where there is room up to the row, there is none for the next attempt's curve."""
    early = written == "a checkpoint"
    with mounted(tmp_path / "disk", "size=6m") as disk:
        process = start(*LOCAL, *(OFTEN if early else ()), cwd=disk)
        wait_for(lambda: begun(disk / "s"))
        ballast = fill(disk, leave=0 if early else _row_s_room(undisturbed))
        _, told = process.communicate(timeout=120)
        assert process.returncode == 1, told
        assert told.count(f" failed: OSError: [Errno 28] {FULL}") == 2
        assert f"error: {FULL}" in told
        assert "run the same command again:\n  sweeper run pareto" in told
        assert "Traceback" not in told
        ballast.unlink()
        ended = here(*LOCAL, cwd=disk)
        assert ended.returncode == 0, ended.stderr
        assert study.contents(disk / "s") == study.contents(undisturbed)
        assert not list(disk.rglob("*.part"))


@starts_ray
def test_a_full_disk_and_then_a_damaged_one_under_ray(undisturbed: Path, tmp_path: Path) -> None:
    """What a worker warns of reaches the user."""
    with mounted(tmp_path / "disk", "size=6m") as disk:
        process = start(*RAY, *OFTEN, cwd=disk)
        workers = pause_workers(process.pid, disk / "s", undisturbed)
        ballast = fill(disk)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        _, told = process.communicate(timeout=120)
        assert process.returncode == 1, told
        assert told.count(f" failed: OSError: [Errno 28] {FULL}") == 2
        assert f"error: {FULL}" in told
        ballast.unlink()
        one, other = begun(disk / "s")
        damage(newest := checkpoints(disk / "s")[-1], "flipped")
        for checkpoint in (one if newest.parent == other else other).glob("*.safetensors"):
            damage(checkpoint, "truncated")
        ended = sweeper(*RAY, cwd=disk)
        assert ended.returncode == 0, ended.stderr
        assert f"{newest.name} cannot be continued from (its content is damaged)" in ended.stderr
        assert ended.stderr.count(" begins again: attempt ") == 1
        assert study.contents(disk / "s") == study.contents(undisturbed)
        assert not list(disk.rglob("*.part"))


def test_a_disk_that_cannot_be_written_is_refused_before_training(
    undisturbed: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=6m") as disk:
        shutil.copytree(undisturbed, disk / "s")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for study_folder in ("s", "new"):
            command = [*QUESTION, "--seeds", "2", "--study", str(disk / study_folder)]
            ran = CliRunner().invoke(app, command)
            assert ran.exit_code == 2
            assert ran.stderr.startswith(f"error: Read-only file system: {disk / study_folder}")
            assert ran.stderr.count("\n") == 1
        assert "2 of 2 trials done" in CliRunner().invoke(app, ["status", str(disk / "s")]).stdout
