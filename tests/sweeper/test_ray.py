"""The Ray backend: the same rows as in-process, whatever is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import study
from study import kill_all, start, sweeper, wait_for

from sweeper.ledger.ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

SMALL = ("run", "pareto", "--taus", "2,3", "--steps", "400", "--layers", "16", "--workers", "2")
LONG = ("run", "pareto", "--taus", "2,3", "--steps", "3000", "--layers", "16", "--workers", "2")
STUDY = Path("studies") / "pareto-digits"


def test_it_gives_the_rows_of_the_in_process_backend(finished: Path, tmp_path: Path) -> None:
    ran = sweeper(*SMALL, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert study.contents(tmp_path / STUDY) == study.contents(finished)
    assert re.search(r"Ray dashboard: http://127\.0\.0\.1:\d+ .*ray get-auth-token", ran.stderr)
    assert "[2/2]" in ran.stderr
    for chatter in ("Trial", "Tune", "INFO", "WARNING", "raylet"):
        assert chatter not in ran.stderr.replace("Tune the", "")
    left_over = [path.name for path in tmp_path.iterdir()] + [
        path.name for path in (tmp_path / STUDY).iterdir()
    ]
    assert sorted(left_over) == sorted(
        ["studies", "study.json", "lock", "trials", "curves", "models", "samples",
         "checkpoints", "report"]
    )  # fmt: skip


def test_trials_that_follow_on_others_are_trained_in_the_same_run(tmp_path: Path) -> None:
    command = ("run", "compression", "--sizes", "2,3", "--steps", "300", "--layers", "16")
    local = sweeper(*command, "--backend", "local", "--study", "local", cwd=tmp_path)
    assert local.returncode == 0, local.stderr
    ran = sweeper(*command, "--workers", "2", "--study", "ray", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert study.contents(tmp_path / "ray") == study.contents(tmp_path / "local")
    assert [line[:5] for line in ran.stderr.splitlines() if line.startswith("[")] == [
        "[1/4]", "[2/4]", "[3/4]", "[4/4]",
    ]  # fmt: skip


def test_killed_workers_and_runs_change_nothing(tmp_path: Path) -> None:
    """A worker killed, then the whole run, then the same command: the rows of an undisturbed run.

    Truth is the in-process backend, which trains the same trials in another process.
    """
    truth = tmp_path / "truth"
    undisturbed = sweeper(*LONG[:-2], "--backend", "local", "--study", str(truth), cwd=tmp_path)
    assert undisturbed.returncode == 0, undisturbed.stderr
    folder = tmp_path / STUDY

    process = start(*LONG, "--checkpoint-seconds", "0.2", cwd=tmp_path)
    wait_for(lambda: len(list(folder.glob("checkpoints/*/*.safetensors"))) >= 2)
    os.kill(wait_for(lambda: _workers(process.pid))[0], signal.SIGKILL)
    wait_for(lambda: max(_attempts(folder)) == 2)
    kill_all(process)
    wait_for(lambda: not _workers(process.pid))
    shutil.rmtree(folder / "trials", ignore_errors=True)  # had one ended, it is lost too

    ended = sweeper(*LONG, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(folder) == study.contents(truth)
    assert max(row["attempts"] for row in Ledger(folder).rows().to_pylist()) >= 3


def test_interrupted_it_stops_within_seconds_and_goes_on(tmp_path: Path) -> None:
    """Two of forty trials are in training; the others are not even begun."""
    folder = tmp_path / STUDY
    command = ("run", "pareto", "--taus", "1..3@40", "--steps", "40000", "--workers", "2")
    process = start(*command, "--compile", "off", cwd=tmp_path)
    wait_for(lambda: len(list(folder.glob("checkpoints/*/attempt.json"))) == 2)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert time.monotonic() - began < 30
    assert "to go on, run the same command again" in stderr
    assert len(list(folder.glob("checkpoints/*/*.safetensors"))) == 2
    assert len(list(folder.glob("checkpoints/*"))) == 2
    assert not list(folder.glob("trials/*"))
    assert not list(folder.glob("stop-*"))


def test_a_signal_to_the_whole_group_leaves_in_time(tmp_path: Path) -> None:
    """As batch systems send it: Ray's own processes end with it, and its calls would block."""
    folder = tmp_path / STUDY
    command = ("run", "pareto", "--taus", "2,3", "--steps", "40000", "--compile", "off")
    process = start(*command, cwd=tmp_path)
    wait_for(lambda: len(list(folder.glob("checkpoints/*/attempt.json"))) == 2)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == 130, stderr
    assert time.monotonic() - began < 40
    assert "run the same command again" in stderr
    manifest = json.loads((folder / "study.json").read_text())
    assert manifest["runs"][-1]["outcome"] == "interrupted"


def test_a_trial_that_raises_is_recorded_and_does_not_stop_the_others(
    finished: Path, tmp_path: Path
) -> None:
    """A file lies where the trial wants to keep its checkpoints."""
    failing = study.rows(finished)[0]["trial_id"]
    folder = shutil.copytree(finished, tmp_path / "s")
    for kept in ("trials", "checkpoints"):
        shutil.rmtree(folder / kept)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / failing).touch()
    ran = sweeper(*SMALL, "--study", str(folder), cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.count("failed: ") == 1
    statuses = {row["trial_id"]: row["status"] for row in study.rows(folder)}
    errors = {row["trial_id"]: row["error"] for row in study.rows(folder)}
    assert statuses.pop(failing) == "failed"
    assert "Error" in errors[failing]
    assert "failed" not in statuses.values()
    assert len(statuses) == 1


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ran = sweeper(*SMALL, "--address", "127.0.0.1:1", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: cannot reach the Ray cluster at '127.0.0.1:1'")
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / STUDY).exists()


def _attempts(folder: Path) -> list[int]:
    return [
        int(re.findall(r'"number": (\d+)', path.read_text())[0])
        for path in folder.glob("checkpoints/*/attempt.json")
    ] or [0]


def _workers(run: int) -> list[int]:
    """List the processes that train a trial of this run: they carry its name."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            title = (entry / "cmdline").read_bytes().decode(errors="replace")
            mine = _session(entry) == run
        except OSError:
            continue  # it has ended
        if mine and title.startswith("ray::pareto digits"):
            found.append(int(entry.name))
    return sorted(found)


def _session(entry: Path) -> int:
    """Read the session that a process belongs to: the run's, which leads its own."""
    return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3])
