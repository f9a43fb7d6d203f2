"""What raises each time, and data that changes: refused or recorded, and never mixed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import plugged
import study
from faults import LOCAL

from sweeper.ledger.ledger import Ledger
from trainer.data import DATASETS
from trainer.objectives import OBJECTIVES


def _plugged(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the rows of `plugged`, which are gone afterwards."""
    with (
        mock.patch.dict("os.environ", environment),
        mock.patch.dict(OBJECTIVES),
        mock.patch.dict(DATASETS),
    ):
        plugged.plug_in()
        return study.here(*arguments, cwd=cwd)


def _same_but_for_the_objective(folder: Path) -> list[dict[str, Any]]:
    names = {"trial_id", "objective", "spec", "model_sha256"}  # a model has its spec in it
    rows = [{name: row[name] for name in row if name not in names} for row in study.rows(folder)]
    return sorted(rows, key=lambda row: float(row["tau"]))


def test_a_trial_that_raises_at_the_same_step_each_time(undisturbed: Path, tmp_path: Path) -> None:
    """It is recorded as failed, the other goes on, and the next run tries it again."""
    command = (*LOCAL, "--objective", "faulty", "--checkpoint-seconds", "0.2")
    ran = _plugged(*command, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "τ=3 width=16 seed=0 failed: ArithmeticError: the objective's own error" in ran.stderr
    rows = {row["tau"]: row for row in Ledger(tmp_path / "s").rows().to_pylist()}
    assert {tau: (row["status"] == "failed", row["attempts"]) for tau, row in rows.items()} == {
        2.0: (False, 1),
        3.0: (True, 3),
    }
    assert rows[3.0]["error"] == "ArithmeticError: the objective's own error"
    ended = _plugged(*command, "--json", cwd=tmp_path, MENDED="yes")
    assert ended.returncode == 0, ended.stderr
    assert '"trained": 1, "reused": 1' in ended.stdout
    assert _same_but_for_the_objective(tmp_path / "s") == _same_but_for_the_objective(undisturbed)


def test_data_that_changes_between_two_runs_is_refused_or_another_trial(tmp_path: Path) -> None:
    command = ("run", "pareto", "--dataset", "letters", "--taus", "40", "--steps", "20",
               "--layers", "8", "--backend", "local", "--data-dir", "data", "--json")  # fmt: skip
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    _write(tmp_path / "data", plugged.official(0))
    ran = _plugged(*command, "--study", "s", cwd=tmp_path, **cache)
    assert ran.returncode == 0, ran.stderr
    before = study.contents(tmp_path / "s")

    name = plugged.FILES[0]
    damaged = bytearray(plugged.official(0)[name])
    damaged[5000] ^= 1
    _write(tmp_path / "data", {name: bytes(damaged)})
    refused = _plugged(*command, "--study", "s", cwd=tmp_path, **cache)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {tmp_path}/data/{name} is not the official {name}")
    assert "expected" in refused.stderr
    assert "found" in refused.stderr

    _write(tmp_path / "data", plugged.official(1))
    refused = _plugged(*command, "--study", "s", cwd=tmp_path, **cache, VERSION="1")
    assert refused.returncode == 2
    assert "error: s holds a study with dataset_sha256 = " in refused.stderr
    other = _plugged(*command, "--study", "new", cwd=tmp_path, **cache, VERSION="1")
    assert other.returncode == 0, other.stderr
    (old,), (new,) = study.rows(tmp_path / "s"), study.rows(tmp_path / "new")
    assert old["trial_id"] != new["trial_id"]
    assert study.contents(tmp_path / "s") == before


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
