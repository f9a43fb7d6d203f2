"""Signals: leave now, killed without a warning, two runs at a time."""

from __future__ import annotations

import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import study
from faults import LOCAL, OFTEN, QUESTION, RAY, begun, checkpoints
from processes import workers_of
from study import here, kill_all, start, starts_ray, wait_for
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.ledger.ledger import Ledger


@starts_ray
@pytest.mark.parametrize("command", [LOCAL, RAY], ids=["local", "ray"])
def test_a_second_signal_leaves_at_once(
    command: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    """Both arrive before the run can answer the first: as Ctrl-C held down."""
    process = start(*command, *OFTEN, cwd=tmp_path)
    wait_for(lambda: checkpoints(tmp_path / "s"))
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        process.send_signal(number)
    began = time.monotonic()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert time.monotonic() - began < 20
    assert "the others go on from their last checkpoints" in told
    assert "run the same command again:\n  sweeper run pareto --taus 2,3" in told
    assert "Traceback" not in told
    wait_for(lambda: not workers_of(process.pid))
    if command is LOCAL:
        ended = here(*LOCAL, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert study.contents(tmp_path / "s") == study.contents(undisturbed)


ORPHAN = """
import sys
from sweeper.messages import Job, Pack
from sweeper.options import RunOptions
from sweeper.worker.worker import Reporter, run_pack
from trainer import TrialSpec
def nothing(*_): pass
options = RunOptions(device="cpu", checkpoint_seconds=0.05)
job = Job(study="pareto", folder=sys.argv[1], datasets={}, options=options)
reporter = Reporter(progress=nothing, ended=nothing, should_stop=lambda: False)
run_pack(Pack((TrialSpec.from_json(sys.argv[2]),), {}), job, reporter)
"""


@pytest.mark.slow
def test_a_worker_that_outlives_its_killed_run_does_no_harm(
    killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """As one on another node may. It wakes when the next run has recorded the trial it is in.

    On this node Ray lets no worker live on; so it is a worker's function, in a process of its own.
    """
    folder = shutil.copytree(killed, tmp_path / "s")
    (place,) = begun(folder)
    spec = (Ledger(undisturbed).row(place.name) or {})["spec"]
    orphan = subprocess.Popen([sys.executable, "-c", ORPHAN, str(folder), spec])
    wait_for(lambda: '"number": 2' in (place / "attempt.json").read_text())
    orphan.send_signal(signal.SIGSTOP)
    ended = here(*LOCAL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    rows = Ledger(folder).rows()
    orphan.send_signal(signal.SIGCONT)
    assert orphan.wait(timeout=60) == 0
    assert Ledger(folder).rows().equals(rows)
    again = here(*LOCAL, cwd=tmp_path)
    assert "all 2 trials were in the ledger" in again.stdout
    assert study.contents(folder) == study.contents(undisturbed)
    assert not list((folder / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_second_run_is_refused_and_a_dead_one_s_lock_is_taken_over(
    undisturbed: Path, tmp_path: Path
) -> None:
    process = start(*LOCAL, *OFTEN, cwd=tmp_path)
    wait_for(lambda: checkpoints(tmp_path / "s"))
    process.send_signal(signal.SIGSTOP)  # so that it does not end meanwhile
    second = CliRunner().invoke(app, [*QUESTION, "--study", str(tmp_path / "s")])
    assert second.exit_code == 2
    assert f"in use by process {process.pid} on {platform.node()}" in second.stderr
    assert second.stderr.count("\n") == 1
    kill_all(process)
    ended = here(*LOCAL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert study.contents(tmp_path / "s") == study.contents(undisturbed)
