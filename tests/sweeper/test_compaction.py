"""Finished trials compacted into volumes: each is there at every moment, whatever is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sweeper.ledger import ledger as ledger_module
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.record import TrialRecord
from sweeper.messages import Ended, Noted, Outcome
from sweeper.run.compacting import ADDRESS, Compacting
from trainer import Status, TrialResult, TrialSpec

VOLUME = 5
VOLUME_OF_A_RUN = ledger_module.VOLUME


def make_record(seed: int, result: TrialResult | None = None) -> TrialRecord:
    spec = TrialSpec(
        dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(8,),
        tau=2.0, width=4, seed=seed, steps=10,
    )  # fmt: skip
    result = result or TrialResult(
        status=Status.FEASIBLE, open_gates=3, gate_l1=3.01, train_sse=2.0 + seed,
        test_sse_sampled=2.2, test_sse_mean=1.8, constraint_ma=-0.01, multiplier=0.7,
        kl=5.0, settled_step=8, seconds=1.0, steps_per_second=10.0, device="cpu",
    )  # fmt: skip
    curve = [{"step": step, "sse": float("nan") if step else seed + 1.0} for step in range(3)]
    moment = datetime(2026, 1, 2, 3, seed // 60 % 60, seed % 60, tzinfo=UTC)
    return TrialRecord(
        study="pareto", spec=spec, result=result, attempts=1, started_at=moment,
        finished_at=moment, versions={"torch": "2"},
        curves=pa.Table.from_pylist(curve, schema=CURVE_SCHEMA), model=b"weights",
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of two volumes and three single trials, one of them failed."""
    monkeypatch.setattr(ledger_module, "VOLUME", VOLUME)
    ledger = Ledger(tmp_path / "study")
    for seed in range(2 * VOLUME + 2):
        ledger.record(make_record(seed))
    ledger.record(make_record(99, TrialResult.of_failure("OSError: no", "cpu")))
    return ledger


def ids(ledger: Ledger) -> list[str]:
    return list(ledger.rows()["trial_id"].to_pylist())


def volumes(ledger: Ledger) -> list[str]:
    return [name for name in ledger.trials.names() if name.startswith("volume-")]


def test_compacted_trials_read_as_single_ones_did(ledger: Ledger) -> None:
    before = ledger.rows().to_pylist()
    curves = {row["trial_id"]: ledger.curve(row["trial_id"]) for row in before}
    ledger.compact()
    assert len(volumes(ledger)) == 2
    assert len(ledger.trials.names()) == len(ledger.curves.names()) == 2 + 3
    for reader in (ledger, Ledger(str(ledger.folder))):
        assert str(reader.rows().to_pylist()) == str(before)  # as text: NaN is not itself
        assert len(reader.finished()) == 2 * VOLUME + 2
        for row in before:
            assert str(reader.row(row["trial_id"])) == str(row)
            ours = reader.curve(row["trial_id"])
            assert ours.schema == CURVE_SCHEMA
            assert str(ours.to_pylist()) == str(curves[row["trial_id"]].to_pylist())
        assert reader.damaged() == []


def test_compacted_trials_are_not_compacted_again_and_failed_ones_never(ledger: Ledger) -> None:
    ledger.compact()
    names = ledger.trials.names()
    ledger.compact()
    assert ledger.trials.names() == names
    failed = make_record(99).spec.trial_id
    assert f"{failed}.parquet" in names
    ledger.record(make_record(99))
    assert {row["status"] for row in ledger.rows().to_pylist()} == {"feasible"}


def test_a_row_that_comes_again_changes_nothing(ledger: Ledger) -> None:
    """A worker that outlived its killed run records a trial that was compacted meanwhile."""
    ledger.compact()
    before = ledger.rows().to_pylist()
    record = make_record(0)
    assert record.spec.trial_id in ledger.finished()
    ledger.record(make_record(0))
    late = Ledger(str(ledger.folder))
    assert str(late.rows().to_pylist()) == str(before)
    late.recover()
    assert not late.trials.has(f"{record.spec.trial_id}.parquet")


COMPACTER = """
import sys
from sweeper.ledger import ledger
ledger.VOLUME = 5
while True:
    ledger.Ledger(sys.argv[1]).recover()
"""


@pytest.mark.parametrize("moment", ["curves written", "rows written", "going", "done"])
def test_every_trial_is_there_whenever_compacting_is_killed(moment: str, ledger: Ledger) -> None:
    """The state of the disk at each moment of compacting, made by hand, in the order of writing."""
    rows, curves = Path(str(ledger.trials)), Path(str(ledger.curves))
    before = str(ledger.rows().to_pylist())
    single = {path: path.read_bytes() for path in (*rows.iterdir(), *curves.iterdir())}
    ledger.compact()
    gone = [path for path in single if not path.exists()]
    if moment != "done":
        for path, content in single.items():
            path.write_bytes(content)
    if moment == "curves written":
        for path in rows.glob("volume-*"):
            path.unlink()
    if moment == "going":
        for name in [path.name for path in gone if path.parent == rows][:3]:
            (curves / name).unlink()
        (rows / name).unlink()
    again = Ledger(str(ledger.folder))
    assert str(again.rows().to_pylist()) == before
    assert again.recover() == []
    assert len(list(rows.iterdir())) == len(list(curves.iterdir())) == 2 + 3
    assert str(Ledger(str(ledger.folder)).rows().to_pylist()) == before


@pytest.mark.parametrize("killed_at", [0, 1, 2])
def test_readers_see_every_trial_while_a_process_compacts_and_dies(
    killed_at: int, ledger: Ledger
) -> None:
    everything = sorted(ids(ledger))
    compacter = subprocess.Popen([sys.executable, "-c", COMPACTER, str(ledger.folder)])
    while len(volumes(ledger)) < killed_at:
        assert sorted(ids(Ledger(str(ledger.folder)))) == everything
    compacter.send_signal(signal.SIGKILL)
    compacter.wait()
    assert sorted(ids(Ledger(str(ledger.folder)))) == everything
    assert Ledger(str(ledger.folder)).recover() == []
    assert sorted(ids(Ledger(str(ledger.folder)))) == everything


def test_a_damaged_volume_is_set_aside_and_its_trials_are_missing(ledger: Ledger) -> None:
    ledger.compact()
    name = volumes(ledger)[0]
    content = bytearray(ledger.trials.read(name))
    content[len(content) // 2] ^= 1
    ledger.trials.write(name, bytes(content))
    again = Ledger(str(ledger.folder))
    assert len(again.finished()) == VOLUME + 2
    assert again.recover() == [name]
    assert again.folder.folder("damaged").read(name) == bytes(content)
    assert Ledger(str(ledger.folder)).damaged() == []


def test_damaged_curves_cost_only_the_curves(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.compact()
    name = next(name for name in ledger.curves.names() if name.startswith("volume-"))
    ledger.curves.write(name, b"nothing of use")
    again = Ledger(str(ledger.folder))
    lengths = [len(again.curve(trial_id)) for trial_id in ids(again)]
    assert lengths.count(0) == VOLUME
    assert len(again.finished()) == 2 * VOLUME + 2
    assert "cannot be read" in caplog.text


def test_a_disk_that_gives_back_something_else_loses_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = str(ledger.rows().to_pylist())
    write: Callable[..., Any] = type(ledger.trials).write

    def cut(folder: Any, name: str, content: bytes) -> None:
        write(folder, name, content[:-1])

    monkeypatch.setattr(type(ledger.trials), "write", cut)
    with pytest.raises(OSError, match="is not what was written"):
        ledger.compact()
    monkeypatch.undo()
    assert str(Ledger(str(ledger.folder)).rows().to_pylist()) == before
    assert volumes(ledger) == []


def test_a_curve_that_cannot_be_read_just_then_is_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_record(0).spec.trial_id
    curve = str(ledger.curve(first).to_pylist())
    read: Callable[..., bytes] = type(ledger.trials).read

    def failing(folder: Any, name: str) -> bytes:
        if folder.name == "curves" and name == f"{first}.parquet":
            raise OSError(5, "Input/output error")
        return read(folder, name)

    monkeypatch.setattr(type(ledger.trials), "read", failing)
    ledger.compact()
    monkeypatch.undo()
    for again in range(2):  # the second time a volume has the row
        late = Ledger(str(ledger.folder))
        assert str(late.curve(first).to_pylist()) == curve, again
        late.record(make_record(0))
        late.compact()


def test_files_that_were_being_written_when_a_run_was_killed_go(ledger: Ledger) -> None:
    before = str(ledger.rows().to_pylist())
    for folder in (ledger.folder, ledger.trials, ledger.models):
        folder.write(".x.parquet.k2j3.part", b"half a")
    ledger.recover()
    left = [path.name for path in Path(str(ledger.folder)).rglob("*.part")]
    assert left == []
    assert str(ledger.rows().to_pylist()) == before


@pytest.fixture(scope="module")
def full_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many single trials as go into a volume; written once, since each file is synced."""
    folder = tmp_path_factory.mktemp("full")
    ledger = Ledger(folder)
    for seed in range(VOLUME_OF_A_RUN):
        ledger.record(make_record(seed))
    return folder


@pytest.fixture
def full(full_folder: Path, tmp_path: Path) -> Ledger:
    """A ledger of as many single trials as go into a volume."""
    return Ledger(shutil.copytree(full_folder, tmp_path / "full"))


def _finish(ledger: Ledger, count: int) -> list[Any]:
    """End as many trials; return what the run's listener heard of compacting."""
    events: list[Any] = []
    compacting = Compacting(ledger, events.append)
    for seed in range(count):
        compacting.on_event(Ended(make_record(seed).spec, Outcome("feasible", 3, 2.2, 1.0)))
    return events


def test_a_run_compacts_when_a_volumes_worth_has_finished(full: Ledger) -> None:
    before = str(full.rows().to_pylist())
    assert _finish(full, VOLUME_OF_A_RUN - 1) == []
    assert volumes(full) == []
    assert _finish(full, VOLUME_OF_A_RUN) == []
    assert len(volumes(full)) == len(full.trials.names()) == 1
    assert str(full.rows().to_pylist()) == before


def test_a_run_that_cannot_compact_says_so_and_goes_on(full: Ledger) -> None:
    shutil.rmtree(str(full.curves))
    Path(str(full.curves)).write_text("no folder")
    (event,) = _finish(full, VOLUME_OF_A_RUN)
    assert isinstance(event, Noted)
    note = event.text
    assert note.startswith("finished trials stay in single files for now: ")
    assert str(full.curves) in note
    assert len(full.rows()) == VOLUME_OF_A_RUN


def test_a_process_that_compacts_ends_with_its_run(full: Ledger) -> None:
    """A run that comes after does not hold the folder while another still changes it."""
    command = [sys.executable, "-m", "sweeper.run.compacting"]
    environment = {**os.environ, ADDRESS: str(full.folder)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        pass  # leaving closes the pipe, as the death of the run does
    assert process.returncode == 1
    assert Ledger(str(full.folder)).recover() == []
    assert len(Ledger(str(full.folder)).rows()) == VOLUME_OF_A_RUN
