"""A worker of a run on Ray is killed: its trial waits, is begun again, and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import workers_of
from study import starts_ray

PROGRAM = """
import io, json, sys
from rich.console import Console
from sweeper.cli.display import Display
from sweeper.messages import Proposed, Job
from sweeper.options import RunOptions
from sweeper.run.run import run_study
from sweeper.studies.pareto import ParetoOptions, plan
from sweeper.studies.setup import TrainingOptions
from trainer import data

folder = sys.argv[1]
training = TrainingOptions(steps=3000, layers="16")
planned = plan(ParetoOptions(taus="2,3"), training, data.load)
options = RunOptions(folder=folder, workers=2, checkpoint_seconds=0.2, compile=False)
console = Console(file=io.StringIO(), width=100)
display = Display(console, quiet=True)
metrics = None

def listen(event):
    global metrics
    display.on_event(event)
    if metrics is None and isinstance(event, Proposed):  # Ray, which this imports, has started
        from sweeper.backends.ray.metrics import StudyMetrics
        metrics = StudyMetrics(Job(study="pareto", folder=folder, datasets={}, options=options))
    if metrics is None:
        return
    metrics.on_event(event)
    console.file = io.StringIO()
    console.print(display.render())
    heard = {"event": type(event).__name__, "counts": metrics.counts()}
    print(json.dumps(heard | {"shown": console.file.getvalue()}), flush=True)

run_study(planned, options, listen)
"""
"""A study run from Python, whose listener prints each event, and what is shown and counted then."""


@starts_ray
def test_the_trial_of_a_killed_worker_waits_and_is_begun_again(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "s")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        heard = _heard(process)
    finally:
        process.kill()
        process.wait()
    events = [each["event"] for each in heard]
    lost = heard[events.index("WorkerLost")]
    assert (lost["counts"]["waiting"], lost["counts"]["training"]) == (1, 1)
    assert (lost["shown"].count("waiting"), lost["shown"].count("training")) == (1, 1)
    assert events.count("WorkerLost") == 1
    assert events.count("Started") == 3
    assert events.count("Ended") == 2
    last = heard[-1]["counts"]
    assert (last.get("waiting", 0), last.get("training", 0)) == (0, 0)


def _heard(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Read what the listener of a run heard; kill a worker once both trials are in training."""
    heard: list[dict[str, Any]] = []
    killed = False
    assert process.stdout
    for line in process.stdout:
        if not line.startswith("{"):
            continue
        heard.append(json.loads(line))
        if heard[-1]["event"] == "Progressed" and heard[-1]["counts"]["training"] == 2:
            if not killed:
                os.kill(workers_of(process.pid)[0], signal.SIGKILL)
            killed = True
    assert process.wait() == 0
    return heard
