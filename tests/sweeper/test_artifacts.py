"""Models, samples and curves have digests in their trial's row: damage, loss and swaps are told."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from faults import damage
from hypothesis import given
from hypothesis import strategies as st

from sweeper.ledger import ledger as ledger_module
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.digests import Digests, curve_digest
from sweeper.ledger.faults import DAMAGED, MISSING, Inspection
from sweeper.ledger.integrity import decode, decode_curve, encode
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.record import TrialRecord
from trainer import Status, TrialResult, TrialSpec

VOLUME = 5
HOW = ("truncated", "flipped", "swapped", "missing")
KINDS = {"models": "safetensors", "samples": "npz", "curves": "parquet"}
SINGLE, OTHER = range(2 * VOLUME, 2 * VOLUME + 2)
"""Seeds of the trials that are not compacted."""


def spec_of(seed: int) -> TrialSpec:
    return TrialSpec(
        dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(8,),
        tau=2.0, width=4, seed=seed, steps=10,
    )  # fmt: skip


def id_of(seed: int) -> str:
    return spec_of(seed).trial_id


def record_of(seed: int) -> TrialRecord:
    """A trial with everything, and other values than its neighbours."""
    images = np.full((2, 1, 4, 4), seed % 256, np.uint8)
    errors = np.random.default_rng(seed).random(200)  # so that most of its file is values
    curve = [{"step": step, "sse": sse} for step, sse in enumerate([math.nan, *errors])]
    result = TrialResult(
        status=Status.FEASIBLE, open_gates=3, gate_l1=3.01, train_sse=2.0 + seed,
        test_sse_sampled=2.2, test_sse_mean=1.8, constraint_ma=-0.01, multiplier=0.7,
        kl=5.0, settled_step=8, seconds=1.0, steps_per_second=10.0, device="cpu",
    )  # fmt: skip
    moment = datetime(2026, 1, 2, 3, seed // 60 % 60, seed % 60, tzinfo=UTC)
    return TrialRecord(
        study="pareto", spec=spec_of(seed), result=result, attempts=1, started_at=moment,
        finished_at=moment, versions={"torch": "2"},
        curves=pa.Table.from_pylist(curve, schema=CURVE_SCHEMA),
        model=f"weights of {seed}".encode() * 100,
        samples={"images": images, "reconstructions": images ^ 1},
    )  # fmt: skip


def failed_record(seed: int) -> TrialRecord:
    result = TrialResult.of_failure("OSError: no", "cpu")
    return dataclasses.replace(
        record_of(seed), result=result, curves=None, model=None, samples=None
    )


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of two volumes, and of two single trials and one that failed."""
    monkeypatch.setattr(ledger_module, "VOLUME", VOLUME)
    ledger = Ledger(tmp_path / "study")
    for seed in range(2 * VOLUME):
        ledger.record(record_of(seed))
    ledger.compact()
    for seed in (SINGLE, OTHER):
        ledger.record(record_of(seed))
    ledger.record(failed_record(99))
    return ledger


def reopened(ledger: Ledger) -> Ledger:
    return Ledger(str(ledger.folder))


def inspect(ledger: Ledger) -> Inspection:
    return ledger.inspect(ledger.rows())


def harm(path: Path, how: str, other: Path) -> None:
    """Damage a file, or swap it with another one."""
    if how == "swapped":
        content = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
    else:
        damage(path, how)


def test_what_was_written_has_no_fault(ledger: Ledger) -> None:
    assert inspect(ledger) == Inspection(trials=2 * VOLUME + 3)


@pytest.mark.parametrize(("how", "kind"), list(itertools.product(HOW, KINDS)))
def test_a_file_that_is_not_what_was_written_is_named_and_not_read(
    how: str, kind: str, ledger: Ledger
) -> None:
    folder, ending = Path(str(ledger.folder)) / kind, KINDS[kind]
    first, second = (folder / f"{id_of(seed)}.{ending}" for seed in (SINGLE, OTHER))
    harm(first, how, second)
    faults = inspect(reopened(ledger)).faults
    bad = {first: SINGLE} | ({second: OTHER} if how == "swapped" else {})
    assert {fault.file: fault.trial_id for fault in faults} == {
        f"{kind}/{path.name}": id_of(seed) for path, seed in bad.items()
    }
    assert {fault.problem for fault in faults} == {MISSING if how == "missing" else DAMAGED}
    for seed in bad.values():
        late = reopened(ledger)
        assert (len(late.curve(id_of(seed))) == 0) is (kind == "curves")
        assert (late.sample(id_of(seed)) == {}) is (kind == "samples")


@pytest.mark.parametrize("how", HOW)
def test_a_volume_whose_curves_are_not_what_was_written_is_named(how: str, ledger: Ledger) -> None:
    first, second = sorted(Path(str(ledger.curves)).glob("volume-*"))
    harm(first, how, second)
    late = reopened(ledger)
    faults = inspect(late).faults
    assert len(faults) == (2 * VOLUME if how == "swapped" else VOLUME)
    assert {fault.problem for fault in faults} == {MISSING if how == "missing" else DAMAGED}
    curves = late.curves_of(id_of(seed) for seed in range(2 * VOLUME))
    assert {*curves} == {id_of(seed) for seed in range(2 * VOLUME)} - {f.trial_id for f in faults}


def test_curves_that_change_places_within_a_whole_volume_are_named(ledger: Ledger) -> None:
    (name, *_) = [name for name in ledger.trials.names() if name.startswith("volume-")]
    volumes = Volumes(ledger.trials, ledger.curves)
    rows = volumes.rows(name)
    first, second, *_ = rows["trial_id"].to_pylist()
    curves = volumes.curves(name, rows["trial_id"].to_pylist())
    ledger.curves.remove(str(volumes.curves_name(name)))
    volumes.compact(rows, curves | {first: curves[second], second: curves[first]})
    late = reopened(ledger)
    assert {fault.trial_id for fault in inspect(late).faults} == {first, second}
    assert late.curves_of([first, second]) == {}


def test_rows_of_earlier_versions_and_curves_without_a_point_have_no_fault(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = dataclasses.replace(record_of(1000), curves=CURVE_SCHEMA.empty_table())
    ledger.record(empty)
    row = decode(ledger.trials.read(f"{id_of(OTHER)}.parquet"), max_rows=1)
    older = encode(row.drop_columns(list(Digests._fields)))
    ledger.trials.write(f"{id_of(OTHER)}.parquet", older)
    ledger.models.remove(f"{id_of(OTHER)}.safetensors")
    assert inspect(reopened(ledger)).faults == ()
    monkeypatch.setattr(ledger_module, "VOLUME", 1)
    reopened(ledger).compact()
    assert inspect(reopened(ledger)).faults == ()


def test_a_file_that_was_found_good_is_not_read_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.models.remove(f"{id_of(0)}.safetensors")
    before = inspect(ledger)
    reads: list[str] = []
    read: Callable[..., bytes] = type(ledger.models).read
    monkeypatch.setattr(
        type(ledger.models), "read", lambda self, name: reads.append(name) or read(self, name)
    )
    assert inspect(ledger) == before
    assert [name for name in reads if not name.endswith(".parquet")] == [
        f"{id_of(0)}.safetensors"
    ] * 2  # what seems wrong is looked at twice


def test_without_time_nothing_is_checked_and_that_is_said(ledger: Ledger) -> None:
    ledger.models.remove(f"{id_of(0)}.safetensors")
    found = ledger.inspect(ledger.rows(), seconds=-1)
    assert found.faults == ()
    assert found.unchecked == 2 * VOLUME + 2
    assert found.unchecked_line.startswith("the files of 12 of 13 trials were not checked")


def test_a_trial_that_is_trained_again_meanwhile_is_judged_by_its_new_row(ledger: Ledger) -> None:
    stale = ledger.rows()
    changed = dataclasses.replace(record_of(SINGLE), model=b"other weights, as a GPU gives")
    reopened(ledger).record(changed)
    assert ledger.inspect(stale).faults == ()
    reopened(ledger).set_aside([id_of(OTHER)])
    assert ledger.inspect(stale).faults == ()


def test_a_trial_that_is_compacted_meanwhile_has_no_fault(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = ledger.rows()
    ledger.ended()
    monkeypatch.setattr(ledger_module, "VOLUME", 2)
    reopened(ledger).compact()
    assert ledger.inspect(stale).faults == ()


def test_a_folder_that_is_missing_as_a_whole_is_told_in_one_line(ledger: Ledger) -> None:
    for name in ledger.models.names():
        ledger.models.remove(name)
    assert len(inspect(reopened(ledger)).details()) == 2 * VOLUME + 2
    ledger.models.clear()
    found = inspect(reopened(ledger))
    assert found.details() == [("models/", "is missing as a whole (12 trials)")]
    assert "--repair" in found.advice


def test_a_trial_that_is_set_aside_is_missing_and_kept_in_damaged(ledger: Ledger) -> None:
    others = {row["trial_id"]: str(row) for row in ledger.rows().to_pylist()}
    curves = {trial_id: str(ledger.curve(trial_id).to_pylist()) for trial_id in others}
    gone = [id_of(0), id_of(1), id_of(SINGLE)]
    ledger.models.remove(f"{gone[0]}.safetensors")
    late = reopened(ledger)
    late.set_aside(gone)
    assert late.finished() == reopened(ledger).finished() == {*others} - {*gone, id_of(99)}
    for reader in (late, reopened(ledger), ledger):
        rows = {row["trial_id"]: str(row) for row in reader.rows().to_pylist()}
        assert rows == {key: row for key, row in others.items() if key not in gone}
        for trial_id in rows:
            assert str(reader.curve(trial_id).to_pylist()) == curves[trial_id]
        assert inspect(reader).faults == ()
    aside = Path(str(ledger.folder)) / "damaged"
    kept = {str(path.relative_to(aside)) for path in aside.rglob("*.*")}
    assert kept == {
        *(f"{kind}/{each}.{end}" for kind, end in KINDS.items() for each in gone),
        *(f"trials/{trial_id}.parquet" for trial_id in gone),
    } - {f"models/{gone[0]}.safetensors"}
    for seed in (0, 1, SINGLE):
        late.record(record_of(seed))
    assert inspect(reopened(ledger)) == Inspection(trials=2 * VOLUME + 3)
    assert sorted(others.values()) == sorted(str(row) for row in late.rows().to_pylist())


class Killed(BaseException):
    """Ends a process at this moment."""


@pytest.mark.parametrize("what", ["models", "curves"])
def test_setting_aside_can_be_killed_at_any_moment(
    what: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was done by then: no other trial is lost, and the next run ends it."""
    before = {row["trial_id"]: str(row) for row in ledger.rows().to_pylist()}
    bad = {id_of(seed) for seed in (0, 1, SINGLE)} if what == "models" else set[str]()
    for trial_id in bad:
        ledger.models.write(f"{trial_id}.safetensors", b"damaged")
    if what == "curves":
        volume = min(Path(str(ledger.curves)).glob("volume-*"))
        damage(volume, "flipped")
        bad = {fault.trial_id for fault in inspect(reopened(ledger)).faults}
    kind, moments = type(ledger.models), 0
    for moment in itertools.count():
        left = itertools.repeat(None, moment)

        def dies(call: Callable[..., Any], left: Any = left) -> Callable[..., Any]:
            def step(*arguments: Any) -> Any:
                if next(left, Killed) is Killed:
                    raise Killed
                return call(*arguments)

            return step

        with monkeypatch.context() as patch:
            patch.setattr(kind, "write", dies(kind.write))
            patch.setattr(kind, "remove", dies(kind.remove))
            late = reopened(ledger)
            try:
                late.recover()
                late.set_aside({fault.trial_id for fault in inspect(late).faults})
            except Killed:
                moments += 1
            else:
                break
        rows = {row["trial_id"]: str(row) for row in reopened(ledger).rows().to_pylist()}
        assert {key: row for key, row in before.items() if key not in bad}.items() <= rows.items()
        assert {fault.trial_id for fault in inspect(reopened(ledger)).faults} <= bad
    assert moments > 5
    late = reopened(ledger)
    late.recover()
    assert late.finished() == {key for key in before if key not in bad} - {id_of(99)}
    assert inspect(late).faults == ()


FLOATS = st.floats(width=64)
POINTS = st.lists(st.tuples(st.integers(0, 2**53), FLOATS, FLOATS), max_size=20)


def curve_of(points: list[tuple[int, float, float]]) -> pa.Table:
    rows = [{"step": step, "sse": sse, "seconds": seconds} for step, sse, seconds in points]
    return pa.Table.from_pylist(rows, schema=CURVE_SCHEMA)


@given(POINTS)
def test_the_digest_of_a_curve_outlives_its_file_and_its_seconds(
    points: list[tuple[int, float, float]],
) -> None:
    curve = curve_of(points)
    digest = curve_digest(curve)
    assert curve_digest(decode_curve(encode(curve))) == digest
    assert curve_digest(pa.concat_tables([curve.slice(0, 3), curve.slice(3)])) == digest
    later = curve.append_column("added later", pa.nulls(len(curve), pa.float64()))
    assert curve_digest(later) == digest
    again = curve_of([(step, sse, seconds + 1) for step, sse, seconds in points])
    assert curve_digest(again) == digest


@given(POINTS.filter(bool), st.data())
def test_the_digest_of_a_curve_is_another_where_a_value_is(
    points: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    digest = curve_digest(curve_of(points))
    place = data.draw(st.integers(0, len(points) - 1))
    step, sse, seconds = points[place]
    other = data.draw(FLOATS.filter(lambda value: value != sse))
    if math.isnan(sse) and math.isnan(other):
        other = 0.0
    assert curve_digest(curve_of([*points[:place], (step, other, seconds)])) != digest
    shifted = [*points[:place], (step + 1, sse, seconds), *points[place + 1 :]]
    assert curve_digest(curve_of(shifted)) != digest
    assert curve_digest(curve_of(points[:-1])) != digest
