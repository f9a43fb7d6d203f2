"""A study planned and run from Python, without the command line's packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
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
print(*sys.modules)
"""


def test_a_study_runs_from_python_without_typer_rich_or_ray(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert {"typer", "rich", "ray", "matplotlib"}.isdisjoint(ran.stdout.split())
    assert len(list((tmp_path / "studies" / "pareto-digits" / "trials").iterdir())) == 2
