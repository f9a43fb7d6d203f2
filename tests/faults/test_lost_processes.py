"""Whichever process of a run on Ray dies first: the run ends by its own hand, or goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import study
from faults import OFTEN, RAY, checkpoints
from processes import RAY_PROCESSES, driver_of, processes_of, workers_of
from study import start, sweeper, wait_for

from sweeper.ledger.lock import holder
from trainer.local_folder import LocalFolder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

LONG = ("run", "pareto", "--taus", "2,3", "--steps", "40000", "--compile", "off", "--study", "s")
"""Still in training when its processes are killed."""


@pytest.mark.parametrize(
    ("victim", "seconds"),
    [("raylet", 15), ("gcs", 40), ("dashboard agent", 15), ("runtime-env agent", 15)],
)
def test_a_run_without_a_process_it_needs_is_interrupted(
    victim: str, seconds: float, tmp_path: Path
) -> None:
    process = _training(LONG, tmp_path)
    os.kill(_find(process, victim), signal.SIGKILL)
    assert _is_interrupted(process, tmp_path, seconds)["outcome"] == "interrupted"


@pytest.mark.parametrize("victim", ["dashboard", "log monitor", "autoscaler's monitor", "worker"])
def test_a_run_without_a_process_it_does_not_need_goes_on(
    victim: str, undisturbed: Path, tmp_path: Path
) -> None:
    process = _training((*RAY, "--json", *OFTEN), tmp_path)
    os.kill(_find(process, victim), signal.SIGKILL)
    answer, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert json.loads(answer)["run"]["trained"] == 2
    assert _raw_text(told) is None
    assert study.contents(tmp_path / "s") == study.contents(undisturbed)
    _all_gone(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_saves_and_leaves(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = _training(LONG, tmp_path)
    os.killpg(process.pid, number)
    assert _is_interrupted(process, tmp_path, 30)["outcome"] == "interrupted"
    assert len({path.parent for path in checkpoints(tmp_path / "s")}) == 2


def test_a_signal_to_every_process_saves_or_leaves(tmp_path: Path) -> None:
    """Ray's own end with it, in any order."""
    process = _training(LONG, tmp_path)
    for victim in processes_of(process.pid):
        os.kill(victim, signal.SIGTERM)
    assert _is_interrupted(process, tmp_path, 30)["outcome"] == "interrupted"


@pytest.mark.parametrize("lead", [True, False], ids=["with the run's own", "but the run's own"])
def test_all_processes_but_the_command_may_be_killed_at_once(lead: bool, tmp_path: Path) -> None:
    process = _training(LONG, tmp_path)
    spared = {process.pid} if lead else {process.pid, driver_of(process.pid)}
    for victim in processes_of(process.pid).keys() - spared:
        os.kill(victim, signal.SIGKILL)
    assert _is_interrupted(process, tmp_path, 30)["outcome"] == "interrupted"


@pytest.mark.parametrize("victim", ["gcs", "raylet"])
def test_a_process_that_dies_while_ray_starts_ends_it_in_one_line(
    victim: str, tmp_path: Path
) -> None:
    process = start(*LONG, cwd=tmp_path)
    os.kill(wait_for(lambda: _found(process, victim))[0], signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert re.fullmatch(r"error: cannot start Ray on this machine: .*; its logs, .*\n", told)
    _all_gone(process)


def test_the_process_that_leads_a_run_may_be_killed(tmp_path: Path) -> None:
    process = _training(LONG, tmp_path)
    os.kill(driver_of(process.pid), signal.SIGKILL)
    run = _is_interrupted(process, tmp_path, 10)
    assert (run["outcome"], run["lost"]) == ("interrupted", "SIGKILL")


def test_a_killed_command_leaves_nobody_and_the_same_goes_on(
    undisturbed: Path, tmp_path: Path
) -> None:
    process = _training((*RAY, *OFTEN), tmp_path)
    process.kill()
    process.communicate(timeout=10)
    assert holder(LocalFolder(str(tmp_path / "s"))) is None
    ended = sweeper(*RAY, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(tmp_path / "s") == study.contents(undisturbed)
    _all_gone(process)


def _training(command: tuple[str, ...], cwd: Path) -> subprocess.Popen[str]:
    """Start a run and wait until a trial has a checkpoint, or both are in training."""
    process = start(*command, cwd=cwd)
    wait_for(
        lambda: (
            checkpoints(cwd / "s")
            if command != LONG
            else len(list(cwd.glob("s/checkpoints/*/attempt.json"))) == 2
        )
    )
    return process


def _find(process: subprocess.Popen[str], victim: str) -> int:
    if victim == "worker":
        return int(wait_for(lambda: workers_of(process.pid))[0])
    (found,) = _found(process, victim)
    return found


def _found(process: subprocess.Popen[str], victim: str) -> list[int]:
    titles = processes_of(process.pid)
    return [number for number, title in titles.items() if RAY_PROCESSES[victim] in title]


def _is_interrupted(process: subprocess.Popen[str], cwd: Path, seconds: float) -> dict[str, Any]:
    """Check that a run ends as one that is interrupted, and return its record."""
    _, told = process.communicate(timeout=seconds)
    assert process.returncode == 130, told
    assert re.search(
        r"^interrupted.*run the same command again:\n  sweeper run pareto --taus 2,3 ", told, re.M
    )
    assert _raw_text(told) is None
    _all_gone(process)
    assert holder(LocalFolder(str(cwd / "s"))) is None
    run: dict[str, Any] = json.loads((cwd / "s" / "study.json").read_text())["runs"][-1]
    assert run["finished_at"] is not None
    return run


def _raw_text(told: str) -> re.Match[str] | None:
    """Find what was not written by us: of Ray's C++, or of Python."""
    return re.search(r"\.cc:\d|\[20\d\d-|Traceback|raylet", told)


def _all_gone(process: subprocess.Popen[str]) -> None:
    wait_for(lambda: not processes_of(process.pid), seconds=10)
