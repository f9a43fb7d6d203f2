"""Studies written by earlier versions open, report, resume and widen as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study import TIMES
from typer.testing import CliRunner, Result

from sweeper.cli.app import app
from sweeper.environment import hardware, package_versions
from sweeper.ledger.digests import Digests
from sweeper.ledger.ledger import Ledger

KEPT = Path(__file__).parent / "kept" / "e99f3ba"
COMMON = ("--layers", "16", "--steps", "6000", "--backend", "local")
COMMANDS = {
    "pareto": ("--dataset", "digits", "--taus", "1,2,3,5,6", "--widths", "8"),
    "trajectory": ("--dataset", "digits", "--tau", "3", "--width", "8", "--seeds", "2"),
    "compare": ("--dataset", "digits", "--taus", "2,4", "--width", "8"),
    "compression": ("--datasets", "digits", "--sizes", "2,3"),
}
"""What trains nothing in a kept study."""

RENAMED = {"staircase.csv": "milestones.csv"}
"""Files of the report that have other names today."""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return shutil.copytree(KEPT, tmp_path / "kept")


def _run(study: str, folder: Path, *arguments: str) -> Result:
    ran = CliRunner().invoke(
        app, ["run", study, *arguments, *COMMON, "--study", str(folder)], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.stderr
    return ran


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    rows = Ledger(folder).rows().to_pylist()
    return {row["trial_id"]: {k: row[k] for k in row if k not in TIMES} for row in rows}


@pytest.mark.parametrize("study", COMMANDS)
def test_nothing_of_a_kept_study_is_trained_again(study: str, kept: Path) -> None:
    before = _rows(kept / study)
    ran = _run(study, kept / study, *COMMANDS[study])
    assert "nothing to train" in ran.stdout
    assert _rows(kept / study) == before


@pytest.mark.parametrize("study", COMMANDS)
def test_a_kept_study_reports_as_before(study: str, kept: Path) -> None:
    folder = kept / study
    written = {path.name: path for path in (KEPT / study / "report").glob("*.csv")}
    assert written
    shutil.rmtree(folder / "report")
    ran = _run(study, folder, *COMMANDS[study], "--json")
    for name, path in written.items():
        now, before = pd.read_csv(folder / "report" / RENAMED.get(name, name)), pd.read_csv(path)
        pd.testing.assert_frame_equal(now[before.columns], before)
    answer = KEPT / study / "report" / "answer.json"
    if answer.exists():
        now = json.loads(ran.stdout)
        assert json.loads(answer.read_text()).items() <= now.items()


def test_a_kept_checkpoint_is_resumed_to_the_row_of_an_undisturbed_trial(kept: Path) -> None:
    folder = kept / "pareto"
    ran = _run("pareto", folder, "--dataset", "digits", "--taus", "1..6", "--widths", "8")
    assert "1 trial trained" in ran.stdout
    row = Ledger(folder).row("cf7d44f9ee194498")
    assert row is not None
    assert row["attempts"] == 2
    now, undisturbed = _rows(folder), _rows(KEPT / "undisturbed")
    curve = Ledger(folder).curve("cf7d44f9ee194498")
    begun = curve.filter(np.array(curve["step"]) <= 2505)
    assert len(begun) == 167  # the points that the checkpoint held, one every 15 steps
    for trial_id, before in undisturbed.items():
        if trial_id != "cf7d44f9ee194498" or _same_machine(before):
            assert _without_digests(now[trial_id]) == _without_digests(before)
        else:  # another processor rounds otherwise
            assert now[trial_id]["train_sse"] == pytest.approx(before["train_sse"], rel=0.05)
            assert abs(now[trial_id]["open_gates"] - before["open_gates"]) <= 1


def _without_digests(row: dict[str, Any]) -> dict[str, Any]:
    """Leave away what that version did not write."""
    return {name: value for name, value in row.items() if name not in Digests._fields}


def _same_machine(row: dict[str, Any]) -> bool:
    run = json.loads((KEPT / "pareto" / "study.json").read_text())["runs"][-1]
    torch = json.loads(row["versions"])["torch"]
    return bool(run["hardware"] == hardware() and torch == package_versions()["torch"])


def test_a_kept_study_widens_without_training_what_it_has(kept: Path) -> None:
    before = _rows(kept / "compression")
    sizes = ("--datasets", "digits", "--sizes", "2,3,4")
    ran = _run("compression", kept / "compression", *sizes)
    assert "2 trials trained" in ran.stdout
    now = _rows(kept / "compression")
    assert {trial_id: now[trial_id] for trial_id in before} == before
    (gated,) = [row for row in now.values() if row["parent"]]
    baseline = now[gated["parent"]]
    assert (gated["tau"], gated["width"]) == (baseline["train_sse"], 2 * baseline["width"])
