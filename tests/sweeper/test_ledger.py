"""The ledger: whole rows or none, one run at a time, old versions readable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from study import wait_for

from sweeper.ledger.columns import CURVE_SCHEMA, TRIAL_SCHEMA
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.record import TrialRecord
from sweeper.ledger.stop_file import StopFile
from trainer import Status, TrialResult, TrialSpec, UserError

MakeRecord = Callable[..., TrialRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    def make(seed: int = 0, result: TrialResult | None = None, **parts: Any) -> TrialRecord:
        spec = TrialSpec(
            dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(8,),
            tau=2.0, width=4, seed=seed, steps=10,
        )  # fmt: skip
        moment = datetime(2026, 1, 2, 3, 4, seed % 60, tzinfo=UTC)
        result = result or TrialResult(
            status=Status.FEASIBLE, open_gates=3, gate_l1=3.01, train_sse=2.0,
            test_sse_sampled=2.2, test_sse_mean=1.8, constraint_ma=-0.01, multiplier=0.7,
            kl=5.0, settled_step=8, seconds=1.0, steps_per_second=10.0, device="cpu",
        )  # fmt: skip
        return TrialRecord(
            study="pareto", spec=spec, result=result, attempts=1, started_at=moment,
            finished_at=moment, versions={"torch": "2"}, **parts,
        )  # fmt: skip

    return make


def test_what_is_recorded_is_read_back(tmp_path: Path, make_record: MakeRecord) -> None:
    ledger = Ledger(tmp_path)
    curves = pa.Table.from_pylist([{"step": 1, "sse": 2.5}], schema=CURVE_SCHEMA)
    images = np.zeros((1, 1, 2, 2), np.uint8)
    samples = {"images": images, "reconstructions": images}
    record = make_record(curves=curves, model=b"weights", samples=samples)
    ledger.record(record)
    (row,) = ledger.rows().to_pylist()
    assert row["trial_id"] == record.spec.trial_id
    assert TrialSpec.from_json(row["spec"]) == record.spec
    assert (row["lambda"], row["status"], row["layers"]) == (0.7, "feasible", [8])
    assert ledger.curve(record.spec.trial_id).equals(curves)
    assert (ledger.sample(record.spec.trial_id)["images"] == samples["images"]).all()
    assert ledger.models.read(f"{record.spec.trial_id}.safetensors") == b"weights"


def test_the_columns_are_those_of_the_contract() -> None:
    contract = """
        trial_id study dataset dataset_sha256 architecture objective tau width seed steps
        batch_size status open_gates gate_l1 train_sse test_sse_sampled test_sse_mean
        constraint_ma lambda kl settled_step seconds steps_per_second device pack_size attempts
        error started_at finished_at versions"""
    curves = "step sse constraint_ma hit_rate gate_l1 open_gates lambda kl seconds"
    assert TRIAL_SCHEMA.names[:30] == contract.split()
    assert CURVE_SCHEMA.names == curves.split()


def test_a_failed_trial_is_recorded_but_not_finished(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(make_record(0))
    ledger.record(make_record(1, TrialResult.of_failure("OSError: no", "cpu")))
    assert len(ledger.rows()) == 2
    assert ledger.finished() == {make_record(0).spec.trial_id}
    failed = next(row for row in ledger.rows().to_pylist() if row["status"] == "failed")
    assert failed["open_gates"] is None
    assert failed["error"] == "OSError: no"


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_row_is_named_and_left_out(
    damage: str, tmp_path: Path, make_record: MakeRecord
) -> None:
    ledger = Ledger(tmp_path)
    for seed in (0, 1):
        ledger.record(make_record(seed))
    path = tmp_path / "trials" / f"{make_record(0).spec.trial_id}.parquet"
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:-20], "empty": b""}.get(damage, b"not parquet"))
    assert ledger.damaged() == [path.name]
    assert ledger.finished() == {make_record(1).spec.trial_id}


def test_a_row_of_an_older_version_is_read(tmp_path: Path, make_record: MakeRecord) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(make_record())
    (path,) = (tmp_path / "trials").iterdir()
    older = pq.read_table(path).drop_columns(["layers", "pack_size"])
    pq.write_table(older.replace_schema_metadata(None), path)
    (row,) = ledger.rows().to_pylist()
    assert row["pack_size"] is None
    assert row["open_gates"] == 3
    assert ledger.rows().schema == TRIAL_SCHEMA


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from datetime import UTC, datetime
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.record import TrialRecord
from trainer import TrialResult, TrialSpec
ledger = Ledger({folder!r})
for seed in range(10**6):
    spec = TrialSpec(dataset="digits", dataset_sha256="ab" * 32, architecture="dense",
                     layers=(8,), tau=2.0, width=4, seed=seed, steps=10)
    now = datetime.now(UTC)
    ledger.record(TrialRecord(study="pareto", spec=spec, attempts=1, versions={{}},
                              result=TrialResult.of_failure("x" * 2000, "cpu"), started_at=now,
                              finished_at=now, model=b"m" * 200_000))
"""


@pytest.mark.parametrize("rows_before", [1, 7, 23])
def test_a_ledger_written_by_a_killed_process_is_readable(rows_before: int, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    program = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder))
    writer = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: len(list(folder.glob("trials/*.parquet"))) >= rows_before)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    ledger = Ledger(folder)
    rows = ledger.rows().to_pylist()
    assert ledger.damaged() == []
    assert len(rows) >= rows_before
    for row in rows:  # a row stands for a trial that is complete
        assert len(ledger.models.read(f"{row['trial_id']}.safetensors")) == 200_000


HOLDER = """
import sys
from sweeper.ledger.ledger import Ledger
with Ledger(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_do_not_share_a_folder_and_a_dead_one_holds_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ledger.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    held = pytest.raises(UserError, match=f"process {holder.pid} on {os.uname().nodename}")
    with held, ledger.locked():
        pass
    holder.kill()
    holder.communicate()
    with ledger.locked():
        assert str(os.getpid()) in (tmp_path / "study" / "lock").read_text()


def test_a_run_that_was_refused_leaves_no_folder(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study")
    with pytest.raises(ValueError, match="refused"), ledger.locked():
        raise ValueError("refused")
    assert not (tmp_path / "study").exists()


def test_a_run_that_was_killed_at_its_first_file_can_be_given_again(tmp_path: Path) -> None:
    (tmp_path / ".study.json.k2j3.part").write_text("{")
    (tmp_path / "lock").write_text("process 1 on elsewhere")
    Ledger(tmp_path).check_is_study()
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UserError, match=r"holds no study \(found 'holiday.jpg'\)"):
        Ledger(tmp_path).check_is_study()


def test_a_run_stops_its_own_workers_alone(tmp_path: Path) -> None:
    """One that was taken for dead, and wakes, leaves those of its successor alone."""
    ledger = Ledger(tmp_path)
    StopFile(ledger.folder, "old").write()
    assert StopFile(ledger.folder, "old")()
    assert not StopFile(ledger.folder, "new")()
    ledger.recover()
    assert not StopFile(ledger.folder, "old")()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("{", "cannot be read"),
        ('{"format": "another"}', "not a study"),
        ('{"format": "bottleneck-sweeper-study", "schema_version": 99}', "schema 99"),
    ],
)
def test_a_folder_of_another_kind_is_refused(manifest: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(manifest)
    with pytest.raises(UserError, match=words):
        Ledger(tmp_path).manifest()


@pytest.mark.parametrize("damage", ["no version", "no asked", "runs is text"])
def test_a_damaged_manifest_is_named(damage: str, finished: Path, tmp_path: Path) -> None:
    manifest = json.loads((finished / "study.json").read_text())
    if damage == "runs is text":
        manifest["runs"] = "none"
    else:
        del manifest[{"no version": "schema_version", "no asked": "asked"}[damage]]
    (tmp_path / "study.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="is damaged: "):
        Ledger(tmp_path).manifest()


def test_a_flipped_bit_in_a_row_is_noticed(finished: Path, tmp_path: Path) -> None:
    """Whichever bit it is: the row is the one that was written, or it is none."""
    path = next((finished / "trials").iterdir())
    content = path.read_bytes()
    whole = Ledger(finished).row(path.stem)
    ledger = Ledger(tmp_path)
    flips = np.random.default_rng(0).integers(0, 8 * len(content), 400)
    noticed = 0
    for flip in flips:
        damaged = bytearray(content)
        damaged[flip // 8] ^= 1 << (flip % 8)
        ledger.trials.write(path.name, bytes(damaged))
        row = ledger.row(path.stem)
        assert row in (None, whole)
        noticed += row is None
    assert noticed > 100


def test_damaged_curves_and_samples_are_left_out(
    tmp_path: Path, make_record: MakeRecord, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path)
    trial_id = make_record().spec.trial_id
    for folder, ending in ((ledger.curves, "parquet"), (ledger.samples, "npz")):
        folder.write(f"{trial_id}.{ending}", b"PK\x03\x04 cut off")
    assert len(ledger.curve(trial_id)) == 0
    assert ledger.sample(trial_id) == {}
    assert caplog.text.count("cannot be read") == 2


def test_a_failed_trial_keeps_its_checkpoints(tmp_path: Path, make_record: MakeRecord) -> None:
    ledger = Ledger(tmp_path)
    for seed, kept in ((0, False), (1, True)):
        record = make_record(seed, TrialResult.of_failure("x", "cpu") if kept else None)
        checkpoints = ledger.checkpoints.folder(record.spec.trial_id)
        checkpoints.write("state", b"")
        ledger.record(record)
        assert checkpoints.has("state") is kept


@pytest.mark.parametrize("kind", ["files", "file"])
def test_a_path_with_something_else_is_not_taken_over(kind: str, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.touch()
    with pytest.raises(UserError, match=r"thesis\.tex"):
        Ledger(tmp_path if kind == "files" else thesis).check_is_study()
    assert list(tmp_path.iterdir()) == [thesis]
