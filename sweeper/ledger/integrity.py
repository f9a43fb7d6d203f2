"""Parquet files whose damage is noticed: by a hash in the file, where its name cannot carry one.

Files that are named after their content (volumes, checkpoints) are checked by their name instead:
`trainer.files.read_checked`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.ledger.columns import TRIAL_SCHEMA
from trainer.spec import TrialSpec

DIGEST = b"content-sha256"
"""Under this key of a file's metadata stands the hash of its values."""

THREADED = 2**20
"""From this size on, in bytes, threads are faster than none."""


def encode(table: pa.Table) -> bytes:
    """Write a table as a Parquet file that carries the hash of its values."""
    # Parquet's own checksums leave out its headers, where a flipped bit can change values too.
    return encode_unsigned(table.replace_schema_metadata({DIGEST: _digest(table)}))


def encode_unsigned(table: pa.Table) -> bytes:
    """Write a table as a Parquet file whose name will carry its hash."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def decode(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read what `encode` or `encode_unsigned` wrote.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        table = file.read(columns=columns, use_threads=len(content) > THREADED)
        written = (table.schema.metadata or {}).get(DIGEST)
        if written is not None and columns is None and written != _digest(table):
            raise ValueError("its content is not what was written")
        return table.replace_schema_metadata(None)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error


def decode_row(content: bytes, trial_id: str) -> pa.Table:
    """Read the row of a trial, in the present columns.

    Raises:
        ValueError: if it is damaged, or another trial's.
    """
    try:
        row = conform(decode(content))
        if TrialSpec.from_json(row["spec"][0].as_py()).trial_id != trial_id:
            raise ValueError("it is the row of another trial")
        return row
    except (pa.ArrowException, TypeError, KeyError, IndexError) as error:
        raise ValueError(str(error)) from error


def conform(table: pa.Table) -> pa.Table:
    """Bring rows that an older version wrote to the present columns."""
    if table.schema.equals(TRIAL_SCHEMA):
        return table
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in TRIAL_SCHEMA
    ]
    return pa.table(columns, schema=TRIAL_SCHEMA)


def _digest(table: pa.Table) -> bytes:
    values = json.dumps(table.to_pydict(), default=str).encode()
    return hashlib.sha256(values).hexdigest().encode()
