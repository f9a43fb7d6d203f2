"""Parquet files whose damage is noticed: by a hash in the file, where its name cannot carry one.

Files that are named after their content (volumes, checkpoints) are checked by their name instead:
`trainer.files.read_checked`.
"""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.ledger.bounded_parquet import read_bounded
from sweeper.ledger.columns import CURVE_SCHEMA, TRIAL_SCHEMA
from sweeper.ledger.row_check import check_curve, check_rows
from trainer.spec import TrialSpec

DIGEST = b"content-sha256"
"""Under this key of a file's metadata stands the hash of its values."""

MAX_POINTS = 2**17
"""Points of a curve, at most; those of this version are below 1,000."""


def encode(table: pa.Table) -> bytes:
    """Write a table as a Parquet file that carries the hash of its values."""
    # Parquet's own checksums leave out its headers, where a flipped bit can change values too.
    return encode_unsigned(table.replace_schema_metadata({DIGEST: _digest(table)}))


def encode_unsigned(table: pa.Table) -> bytes:
    """Write a table as a Parquet file whose name will carry its hash."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def decode(content: bytes, *, max_rows: int) -> pa.Table:
    """Read what `encode` or `encode_unsigned` wrote.

    Raises:
        ValueError: if it is damaged, or larger than anything that was written.
    """
    try:
        table = read_bounded(content, max_rows)
        if "layers" in table.column_names:  # which are in the spec too
            table = _with_layers(table)
        written = (table.schema.metadata or {}).get(DIGEST)
        if written is not None and written != _digest(table):
            raise ValueError("its content is not what was written")
        return table.replace_schema_metadata(None)
    except (OSError, pa.ArrowException, KeyError, TypeError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def decode_rows(content: bytes, *, max_rows: int) -> pa.Table:
    """Read rows of trials, in the present columns.

    Raises:
        ValueError: if they are damaged, or none that a run wrote.
    """
    rows = conform(decode(content, max_rows=max_rows), TRIAL_SCHEMA)
    check_rows(rows)
    return rows


def decode_row(content: bytes, trial_id: str) -> pa.Table:
    """Read the row of a trial, in the present columns.

    Raises:
        ValueError: if it is damaged, or another trial's.
    """
    row = decode_rows(content, max_rows=1)
    if row["trial_id"].to_pylist() != [trial_id]:
        raise ValueError("it is the row of another trial")
    return row


def decode_curve(content: bytes) -> pa.Table:
    """Read the curve of a trial, in the present columns.

    Raises:
        ValueError: if it is damaged, or none that a run wrote.
    """
    curve = conform(decode(content, max_rows=MAX_POINTS), CURVE_SCHEMA)
    check_curve(curve)
    return curve


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table that another version wrote to the present columns.

    Raises:
        ValueError: if a column is of a type that never was.
    """
    if table.schema.equals(schema):
        return table
    try:
        columns = [
            table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
        return pa.table(columns, schema=schema)
    except (pa.ArrowException, KeyError) as error:  # KeyError: two columns of one name
        raise ValueError(str(error)) from error


def _with_layers(rows: pa.Table) -> pa.Table:
    place = rows.column_names.index("layers")
    layers = [TrialSpec.from_json(text).layers for text in rows["spec"].to_pylist()]
    values = pa.array(layers, rows.schema.field(place).type)
    return rows.set_column(place, rows.schema.field(place), values)


def _digest(table: pa.Table) -> bytes:
    values = json.dumps(table.to_pydict(), default=str).encode()
    return hashlib.sha256(values).hexdigest().encode()
