"""Rows, curves, samples and notes that no run wrote: they are named and left out, nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import study
from study import here

from sweeper.ledger.attempts import read_attempt
from sweeper.ledger.columns import CURVE_SCHEMA, TRIAL_SCHEMA
from sweeper.ledger.integrity import encode
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.samples import MAX_BYTES
from sweeper.ledger.unfinished import read_unfinished
from trainer.spec import TrialSpec

RUN = (
    "run", "pareto", "--taus", "2,3", "--steps", "400", "--layers", "16", "--backend", "local",
)  # fmt: skip
ROWS: dict[str, dict[str, Any]] = {
    "deep spec": {"spec": '{"a":' * 50_000},
    "spec of another trial": {"seed": 0, "trial_id": "0" * 16},
    "no spec": {"spec": None},
    "layers of text": {"spec": '{"layers": ["x"]}'},
    "status of no kind": {"status": "excellent"},
    "status in colour": {"status": "\x1b[31mfeasible"},
    "negative width": {"width": -1},
    "huge width": {"width": 2**62},
    "error as a tolerance": {"tau": math.nan, "status": "feasible", "train_sse": math.nan},
    "endless": {"seconds": math.inf},
    "more gates than dimensions": {"open_gates": 10**9},
    "no gates": {"open_gates": None},
    "no end": {"finished_at": None},
    "year 1": {"finished_at": datetime(1, 1, 1, tzinfo=UTC)},
    "before the epoch": {"started_at": datetime(1, 1, 1, tzinfo=UTC)},
}


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "s")


def _first(folder: Path) -> Path:
    return min((folder / "trials").iterdir())


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


@pytest.mark.parametrize("craft", ROWS)
def test_a_crafted_row_is_named_and_left_out(craft: str, folder: Path) -> None:
    path = _first(folder)
    (row,) = pq.read_table(path).to_pylist()
    path.write_bytes(encode(pa.Table.from_pylist([row | ROWS[craft]], schema=TRIAL_SCHEMA)))
    ledger = Ledger(folder)
    assert ledger.damaged() == [path.name]
    assert len(ledger.rows()) == 1
    assert path.stem not in ledger.finished()


def test_a_crafted_row_is_trained_again(folder: Path, finished: Path) -> None:
    path = _first(folder)
    (row,) = pq.read_table(path).to_pylist()
    crafted = row | {"spec": "[" * 100_000, "status": "excellent"}
    path.write_bytes(encode(pa.Table.from_pylist([crafted], schema=TRIAL_SCHEMA)))
    for command in (("status",), ("report",)):
        assert here(*command, str(folder), cwd=folder.parent).returncode == 0
    ran = here(*RUN, "--study", str(folder), cwd=folder.parent)
    assert ran.returncode == 0, ran.stderr
    assert f"{path} cannot be read; what it held is trained again" in ran.stderr
    assert study.contents(folder) == study.contents(finished)


@pytest.mark.parametrize("name", TRIAL_SCHEMA.names)
def test_a_column_of_another_type_is_damage_or_the_same_value(name: str, folder: Path) -> None:
    path = _first(folder)
    whole = Ledger(folder).row(path.stem)
    table = pq.read_table(path).replace_schema_metadata(None)
    place = table.column_names.index(name)
    for column in (
        pa.array([["a"]]),
        pa.array(["\x1b]0;x"]),
        pa.array([1e30]),
        pa.array([b"\xff"]),
    ):
        path.write_bytes(_written(table.set_column(place, name, column)))
        row = Ledger(folder).row(path.stem)
        assert row is None or {**row, name: None} == {**(whole or {}), name: None}


def test_a_volume_of_crafted_rows_is_set_aside(folder: Path, finished: Path) -> None:
    rows = [pq.read_table(path).to_pylist()[0] for path in (folder / "trials").iterdir()]
    rows[0]["spec"] = "[" * 100_000
    content = _written(pa.Table.from_pylist(rows, schema=TRIAL_SCHEMA))
    digest = hashlib.sha256(content).hexdigest()[:16]
    shutil.rmtree(folder / "trials")
    (folder / "trials").mkdir()
    name = f"volume-{'0' * 16}-{digest}.parquet"
    (folder / "trials" / name).write_bytes(content)
    assert Ledger(folder).damaged() == [name]
    ran = here(*RUN, "--study", str(folder), cwd=folder.parent)
    assert ran.returncode == 0, ran.stderr
    assert (folder / "damaged" / name).exists()
    assert study.rows(folder) == study.rows(finished)


@pytest.mark.parametrize("bomb", ["rows", "a long string in many rows", "lists"])
def test_a_small_file_of_many_gigabytes_takes_little_memory(bomb: str, folder: Path) -> None:
    row = pq.read_table(_first(folder)).replace_schema_metadata(None)
    if bomb == "rows":
        table = pa.table({name: pa.nulls(10**8, pa.int64()) for name in ("width", "seed")})
    elif bomb == "lists":
        layers = pa.ListArray.from_arrays([0, 10**8], pa.array(np.zeros(10**8, np.int64)))
        table = row.set_column(row.column_names.index("layers"), "layers", layers)
    else:
        long = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), ["x" * 10**6])
        table = pa.table({"trial_id": long})
    content = _written(table)
    assert len(content) < 2**20
    name = f"volume-{'0' * 16}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    (folder / "trials" / name).write_bytes(content)
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); "
    read = "from sweeper.ledger.ledger import Ledger; print(Ledger(sys.argv[1]).damaged())"
    program = [sys.executable, "-c", limited + read, str(folder)]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    # Lists are not read at all: a trial's layers stand in its spec too.
    assert told == ("[]\n" if bomb == "lists" else f"['{name}']\n")


CURVES: dict[str, dict[str, Any]] = {
    "steps are words": {"step": "many"},
    "steps are missing": {"step": None},
    "negative steps": {"step": -1},
    "gates beyond counting": {"open_gates": 2**62},
}


@pytest.mark.parametrize("craft", CURVES)
def test_a_crafted_curve_costs_a_figure(craft: str, folder: Path) -> None:
    path = min((folder / "curves").iterdir())
    table = pq.read_table(path).replace_schema_metadata(None)
    for name, value in CURVES[craft].items():
        column = pa.array([value] * len(table))
        path.write_bytes(encode(table.set_column(table.column_names.index(name), name, column)))
    assert Ledger(folder).curve(path.stem).num_rows == 0
    assert here("report", str(folder), cwd=folder.parent).returncode == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 0.0, -1.0])
def test_a_report_draws_curves_of_any_numbers(value: float, folder: Path) -> None:
    for path in (folder / "curves").iterdir():
        table = pq.read_table(path).replace_schema_metadata(None)
        for place, field in enumerate(CURVE_SCHEMA):
            if pa.types.is_floating(field.type):
                table = table.set_column(place, field.name, pa.array([value] * len(table)))
        path.write_bytes(encode(table))
    told = here("report", str(folder), cwd=folder.parent)
    assert told.returncode == 0, told.stderr


def _zeros(*shape: int, kind: str = "u1") -> np.ndarray:
    return np.zeros(shape, kind)


SAMPLES: dict[str, dict[str, np.ndarray]] = {
    "nothing": {},
    "numbers": {"images": _zeros(2, 1, 8, 8, kind="f8"), "reconstructions": _zeros(2, 1, 8, 8)},
    "a number": {"images": _zeros(), "reconstructions": _zeros()},
    "two channels": {"images": _zeros(2, 2, 8, 8), "reconstructions": _zeros(2, 2, 8, 8)},
    "unlike": {"images": _zeros(2, 1, 8, 8), "reconstructions": _zeros(3, 1, 8, 8)},
    "none": {"images": _zeros(0, 1, 8, 8), "reconstructions": _zeros(0, 1, 8, 8)},
    "words": {"images": np.array(["x"]), "reconstructions": np.array(["x"])},
}


@pytest.mark.parametrize("craft", [*SAMPLES, "a bomb", "a size that it has not"])
def test_crafted_samples_are_left_out(craft: str, folder: Path) -> None:
    path = min((folder / "samples").iterdir())
    buffer = io.BytesIO()
    if craft in SAMPLES:
        np.savez_compressed(buffer, allow_pickle=False, **SAMPLES[craft])
    else:
        shape = "(99999, 1, 8000, 8000)"
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
        body += b"\0" * (MAX_BYTES // 2 if craft == "a bomb" else 0)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("images", "reconstructions"):
                archive.writestr(f"{name}.npy", body)
    path.write_bytes(buffer.getvalue())
    assert path.stat().st_size < 2**20
    assert Ledger(folder).sample(path.stem) == {}
    assert here("report", str(folder), cwd=folder.parent).returncode == 0


WHOLE = {"number": 3, "started_at": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    "note",
    [
        "{", "[" * 100_000, "null",
        WHOLE | {"number": 1e30}, WHOLE | {"number": 2**62}, WHOLE | {"number": -1},
        WHOLE | {"started_at": "0001-01-01T00:00:00+14:00"}, WHOLE | {"started_at": "2026-01-01"},
        WHOLE | {"spec": "[" * 50_000}, WHOLE | {"spec": 5}, WHOLE | {"spec": "{}"},
    ],
)  # fmt: skip
def test_a_crafted_note_of_attempts_is_counted_anew(note: Any, folder: Path) -> None:
    spec = TrialSpec.from_json(Ledger(folder).rows()["spec"][0].as_py())
    place = folder / "checkpoints" / spec.trial_id
    place.mkdir(parents=True)
    (place / "attempt.json").write_text(note if isinstance(note, str) else json.dumps(note))
    assert read_unfinished(Ledger(folder)) == []
    assert read_attempt(Ledger(folder), spec).number == 0
    assert here("status", str(folder), cwd=folder.parent).returncode == 0


def test_a_note_of_another_trial_is_none(folder: Path) -> None:
    spec = TrialSpec.from_json(Ledger(folder).rows()["spec"][0].as_py())
    other = dataclasses.replace(spec, seed=9)
    place = folder / "checkpoints" / spec.trial_id
    place.mkdir(parents=True)
    (place / "attempt.json").write_text(json.dumps(WHOLE | {"spec": other.to_json()}))
    assert read_unfinished(Ledger(folder)) == []
    (place / "attempt.json").write_text(json.dumps(WHOLE | {"spec": spec.to_json()}))
    (unfinished,) = read_unfinished(Ledger(folder))
    assert (unfinished.spec, unfinished.attempts) == (spec, 3)
