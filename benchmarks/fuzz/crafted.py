"""Files of a study that are well formed, with contents that no run would write.

Rows and curves are signed as a run signs them, and checkpoints are named after their content, so
that they get as far as a file that somebody made on purpose.
"""

from __future__ import annotations

import datetime
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz import values
from sweeper.ledger.integrity import encode
from trainer.files import content_name
from trainer.spec import TrialSpec

HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"


def study_json(folder: Path, random: Random, case: Path) -> str:
    return _json_file(folder / "study.json", random, case)


def attempt_json(folder: Path, random: Random, case: Path) -> str:
    return _json_file(
        random.choice(sorted(folder.glob("checkpoints/*/attempt.json"))), random, case
    )


def _json_file(path: Path, random: Random, case: Path) -> str:
    if random.random() < 0.1:
        path.write_text(values.nested(random))
        return f"{path.name} is nested deeply"
    content = json.loads(path.read_text())
    done = [_change(content, random, case) for _ in range(random.choice((1, 1, 1, 2, 5)))]
    text = json.dumps(content)
    if random.random() < 0.05:
        text = text.replace(": 0", ": 1e999", 1) + random.choice(("", " " * 10**7, "}", "\0"))
    path.write_text(text)
    return f"{path.name}: {', '.join(done)}"


def _change(content: Any, random: Random, case: Path) -> str:
    """Change one place of a JSON document, near its root as often as far down."""
    path, here = [], content
    while True:
        keys = sorted(here) if isinstance(here, dict) else list(range(len(here)))
        key = random.choice(keys)
        path.append(str(key))
        below = here[key]
        if not (isinstance(below, dict | list) and below) or random.random() < 0.3:
            break
        here = below
    if random.random() < 0.15:
        del here[key]
        return f"{'.'.join(path)} deleted"
    value = random.choice(values.JSON_VALUES)
    value = value.replace("{case}", str(case)) if isinstance(value, str) else value
    here[key] = value
    return f"{'.'.join(path)} = {repr(value)[:60]}"


def row(folder: Path, random: Random, case: Path) -> str:
    path = random.choice(sorted(folder.glob("trials/*.parquet")))
    table = pq.read_table(path, use_threads=False).replace_schema_metadata(None)
    done = []
    for _ in range(random.choice((1, 1, 2, 6))):
        name = random.choice(table.column_names)
        value = _cell(table.schema.field(name).type, table[name][0].as_py(), random)
        table, what = _with_cell(table, name, value, random)
        done.append(what)
    if random.random() < 0.2:
        table, what = random.choice(SHAPES)(table)
        done.append(what)
    return f"{path.relative_to(folder)}: {', '.join(done)}{_sign(path, table, random)}"


def _cell(kind: pa.DataType, before: Any, random: Random) -> Any:
    """Return another value of a column's type; of a JSON column mostly other JSON."""
    if isinstance(before, str) and before.startswith("{") and random.random() < 0.8:
        content = json.loads(before)
        _change(content, random, Path("/case"))
        return json.dumps(content) if random.random() < 0.9 else values.nested(random)
    if pa.types.is_string(kind):
        text = random.choice((*values.TEXTS, values.any_value(random), "feasible", "failed"))
        return text.encode(errors="replace").decode()
    if pa.types.is_integer(kind):
        return random.choice((None, 0, -1, 1, 2**62, -(2**63), 10**9))
    if pa.types.is_floating(kind):
        return random.choice((None, 0.0, -1.0, 1e308, -1e308, 1e-320, float("nan"), float("inf")))
    if pa.types.is_timestamp(kind):
        return random.choice(
            (None, datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23))
        )
    if pa.types.is_boolean(kind):
        return random.choice((None, True))
    return random.choice((None, [], [0], [-1], [2**62] * 3, [1] * 1000))


def _with_cell(table: pa.Table, name: str, value: Any, random: Random) -> tuple[pa.Table, str]:
    place = table.schema.get_field_index(name)
    field = table.schema.field(name)
    if random.random() < 0.15:  # of another type
        array = pa.array([random.choice(("x", 5, 1.5, b"x", [1], None))] * len(table))
        field = pa.field(name, array.type)
    else:
        array = pa.array([value] * len(table), field.type)
    return table.set_column(place, field, array), f"{name} = {repr(value)[:60]} ({field.type})"


def _sign(path: Path, table: pa.Table, random: Random) -> str:
    """Write a row with its hash, and mostly under the id that its spec has now."""
    content, moved = encode(table), ""
    if random.random() < 0.7:
        try:
            spec = TrialSpec.from_json(table["spec"][0].as_py())
        except Exception:  # whatever is wrong with it is the case's point
            spec = None
        if spec is not None and spec.trial_id != path.stem:
            path.unlink()
            path = path.with_name(f"{spec.trial_id}.parquet")
            moved = f", now {path.name}"
            ids = pa.array([spec.trial_id] * len(table), pa.string())
            if "trial_id" in table.column_names:
                place = table.schema.get_field_index("trial_id")
                content = encode(table.set_column(place, "trial_id", ids))
    path.write_bytes(content)
    return moved


SHAPES: tuple[Callable[[pa.Table], tuple[pa.Table, str]], ...] = (
    lambda table: (pa.concat_tables([table] * 3), "three rows"),
    lambda table: (table.slice(0, 0), "no rows"),
    lambda table: (table.select([0]), "one column"),
    lambda table: (table.append_column("new", pa.array(["x"] * len(table))), "a column more"),
    lambda table: (pa.concat_tables([table] * 20_000).combine_chunks(), "20,000 rows"),
    lambda table: (table.append_column("tau", pa.array([1.0] * len(table))), "tau twice"),
)


def curve(folder: Path, random: Random, case: Path) -> str:
    path = random.choice(sorted(folder.glob("curves/*.parquet")))
    table = pq.read_table(path, use_threads=False).replace_schema_metadata(None)
    name = random.choice(table.column_names)
    value = _cell(table.schema.field(name).type, None, random)
    table, what = _with_cell(table, name, value, random)
    if random.random() < 0.3:
        table, shape = random.choice(SHAPES)(table)
        what = f"{what}, {shape}"
    path.write_bytes(encode(table))
    return f"{path.relative_to(folder)}: {what}"


def samples(folder: Path, random: Random, case: Path) -> str:
    path = random.choice(sorted(folder.glob("samples/*.npz")))
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = random.choice(sorted(arrays))
    kind = random.choice(("bomb", "huge", "nan", "shape", "type", "missing", "objects", "name"))
    if kind in ("bomb", "huge"):
        path.write_bytes(_bomb() if kind == "bomb" else _claim(f"{name}.npy"))
        return f"{path.relative_to(folder)}: {kind}"
    array = arrays.pop(name)
    arrays |= {
        "nan": {name: np.full_like(array, np.nan, dtype=np.float64)},
        "shape": {name: np.zeros(random.choice(((0,), (1,), (0, 1, 8, 8), (5, 9, 9, 9, 9))))},
        "type": {name: np.array(random.choice((["text"], [1j], [True]))) },
        "missing": {},
        "objects": {name: np.array([{"a": 1}], dtype=object)},
        "name": {values.ESCAPE.replace("/", ""): array, f"../{name}": array},
    }[kind]  # fmt: skip
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    return f"{path.relative_to(folder)}: {name}: {kind}"


def _bomb() -> bytes:
    """Return an archive of a megabyte that unpacks to a gigabyte."""
    buffer = io.BytesIO()
    shape = "{'descr': '|u1', 'fortran_order': False, 'shape': (1073741824,), }"
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("reconstructions.npy", "w", force_zip64=True) as file,
    ):
        file.write(_npy_header(shape))
        for _ in range(64):
            file.write(bytes(2**24))
    return buffer.getvalue()


def _claim(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, _npy_header(HUGE) + bytes(64))
    return buffer.getvalue()


def _npy_header(text: str) -> bytes:
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


def tensors(folder: Path, random: Random, case: Path) -> str:
    """Craft a model, or a checkpoint under the name that its content asks for."""
    paths = sorted(folder.glob("models/*.safetensors"))
    checkpoints = sorted(folder.glob("checkpoints/*/*.safetensors"))
    path = random.choice(random.choice((paths, checkpoints)) or paths)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    kind = random.choice(("length", "nested", "changed", "changed", "changed", "nan", "metadata"))
    text, done = None, kind
    if kind == "length":
        path.write_bytes(struct.pack("<Q", random.choice((0, 2**63, 2**40, 99))) + content[8:])
        return f"{path.relative_to(folder)}: {kind}"
    if kind == "nested":
        text = values.nested(random)
    elif kind == "changed":
        done = _change(header, random, case)
    elif kind == "nan":
        data = b"\xff" * len(data)
    else:
        header.setdefault("__metadata__", {})[random.choice(("spec", "x"))] = values.ESCAPE
    packed = (text or json.dumps(header)).encode()
    content = struct.pack("<Q", len(packed)) + packed + data
    if path in checkpoints:
        path.unlink()
        path = path.with_name(content_name(path.stem.rpartition("-")[0], content, path.suffix))
    path.write_bytes(content)
    return f"{path.relative_to(folder)}: {done}"


KINDS = (study_json, study_json, study_json, attempt_json, row, row, row, curve, samples, tensors)
