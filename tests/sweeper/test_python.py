"""A study planned and run from Python, without the command line's packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from sweeper.options import RunOptions
from sweeper.run.run import run_study
from sweeper.studies.pareto import ParetoOptions, plan
from sweeper.studies.setup import TrainingOptions
from trainer import data

events = []
planned = plan(ParetoOptions(taus="2,3"), TrainingOptions(steps=40, layers="8"), data.load)
summary = run_study(planned, RunOptions(backend="local"), events.append)
assert (summary.outcome, summary.trained) == ("done", 2), summary
assert [type(event).__name__ for event in events if hasattr(event, "outcome")] == ["Ended"] * 2
again = run_study(planned, RunOptions(backend="local"))
assert (again.trained, again.reused) == (0, 2), again
with ThreadPoolExecutor() as threads:
    wider = plan(ParetoOptions(taus="2,3,4"), TrainingOptions(steps=40, layers="8"), data.load)
    third = threads.submit(run_study, wider, RunOptions(backend="local")).result()
assert (third.trained, third.reused) == (1, 2), third
print(*sys.modules)
"""


def test_a_study_runs_from_python_without_typer_rich_or_ray(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert {"typer", "rich", "ray", "matplotlib"}.isdisjoint(ran.stdout.split())
    assert len(list((tmp_path / "studies" / "pareto-digits" / "trials").iterdir())) == 3


RAY_FIRST = """
import ray
from sweeper.options import RunOptions
from sweeper.run.run import run_study
from sweeper.studies.pareto import ParetoOptions, plan
from sweeper.studies.setup import TrainingOptions
from trainer import data
from trainer.errors import UserError

planned = plan(ParetoOptions(taus="2"), TrainingOptions(steps=40, layers="8"), data.load)
for options in (RunOptions(), RunOptions(backend="nope"), RunOptions(backend="local", workers=2)):
    try:
        run_study(planned, options)
    except UserError as error:
        print(error)
"""


def test_a_run_that_cannot_be_is_refused_from_python_as_from_the_command_line(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RAY_FIRST], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, unknown, parallel = ran.stdout.splitlines()
    assert first.startswith("Ray was imported in this process before the run")
    assert unknown.startswith("unknown backend 'nope'")
    assert "found --workers 2" in parallel
    assert not (tmp_path / "studies").exists()
