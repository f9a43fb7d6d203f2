"""A kill of each kind, at random moments; `make chaos` kills more. And the auditor would notice."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kinds_of_kills import KINDS
from ledger_auditor import LedgerAuditor, outcome
from study import starts_ray

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


@starts_ray
def test_a_sweep_that_is_killed_at_random_loses_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, str(CHAOS), "--each-kind-once", "--steps", "1500"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tally = dict(re.findall(r"^([a-z /]+?) +(\d+)", ran.stdout, re.MULTILINE))
    assert tally["kills"] == str(len(KINDS)), ran.stdout
    for kind in KINDS:
        assert re.search(rf"\b1 {kind.name}\b", ran.stdout)
    assert int(tally["trials"]) >= 4
    none = ("rows lost", "duplicates", "rows changed", "differing", "left in /tmp", "left behind")
    assert [tally[name] for name in none] == ["0"] * 6, ran.stdout


@pytest.mark.parametrize("fault", ["lost", "changed"])
def test_the_auditor_notices_a_row_that_is_lost_or_changed(
    fault: str, finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    auditor = LedgerAuditor(folder)
    auditor.check()
    first, second = sorted(folder.glob("trials/*.parquet"))
    assert auditor.seen == {first.stem, second.stem}
    if fault == "lost":
        first.unlink()
    else:
        row = pq.read_table(first).replace_schema_metadata(None)
        attempts = row.schema.get_field_index("attempts")
        pq.write_table(row.set_column(attempts, "attempts", pa.array([7])), first)
    auditor.check()
    assert (auditor.lost, auditor.changed, auditor.twice) == (
        ({first.stem}, set(), set()) if fault == "lost" else (set(), {first.stem}, set())
    )


def test_every_part_of_a_trial_is_compared(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "s")
    whole = outcome(folder)
    assert len(whole) == 2 * len({"row", "curve", "model", "samples"})
    trial, other = sorted({trial_id for trial_id, _ in whole})
    for kind, name in (("curve", "curves/{}.parquet"), ("model", "models/{}.safetensors"),
                       ("samples", "samples/{}.npz")):  # fmt: skip
        path = folder / name.format(trial)
        shutil.copy(folder / name.format(other), path)
        changed = outcome(folder)
        assert {key for key in whole if changed[key] != whole[key]} == {(trial, kind)}
        shutil.copy(finished / name.format(trial), path)
