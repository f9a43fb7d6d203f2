"""The clock is set back by a year, and then on by ten, while a run trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import study
from faults import LOCAL, OFTEN, checkpoints
from study import wait_for

from sweeper.ledger.ledger import Ledger

YEAR = 365 * 24 * 3600


def _libfaketime() -> str:
    for folder in (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib")):
        for found in folder.glob("**/faketime/libfaketimeMT.so.1"):
            return str(found)
    pytest.skip("needs libfaketime (in Debian: apt-get install libfaketime)")


@pytest.mark.slow
def test_a_clock_that_jumps_changes_no_result_and_no_duration(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", _libfaketime())
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    monkeypatch.setenv("DONT_FAKE_MONOTONIC", "1")  # as older versions call it
    process = study.start(*LOCAL, *OFTEN, cwd=tmp_path)
    wait_for(lambda: checkpoints(tmp_path / "s"))
    offset.write_text(f"-{YEAR}")
    wait_for(lambda: len(Ledger(tmp_path / "s").rows()) == 1)
    offset.write_text(f"+{10 * YEAR}")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    first, second = Ledger(tmp_path / "s").rows().to_pylist()
    assert first["finished_at"] < first["started_at"]  # the clock did jump
    assert (second["finished_at"] - first["finished_at"]).days > 10 * 365
    for row in (first, second):
        assert 0 < row["seconds"] < 120
        assert row["steps_per_second"] > 0
    (run,) = json.loads((tmp_path / "s" / "study.json").read_text())["runs"]
    assert 0 < run["wall_seconds"] < 240
    assert 0 < run["trial_seconds"] < 240
    assert study.contents(tmp_path / "s") == study.contents(undisturbed)
