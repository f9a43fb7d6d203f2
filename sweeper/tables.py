"""Parquet files that notice when they are damaged."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.schema import TRIAL_SCHEMA
from trainer.spec import TrialSpec

DIGEST = b"content-sha256"
"""Under this key of a file's metadata stands the hash of its values."""

logger = logging.getLogger(__name__)


def read_row(path: Path) -> pa.Table | None:
    """Read a row file; None if it is not there, damaged, or not the row of its name."""
    if not path.exists():
        return None
    table = read_table(path)
    try:
        row = None if table is None else _conform(table)
        if row is None or TrialSpec.from_json(row["spec"][0].as_py()).trial_id != path.stem:
            return None
    except (pa.ArrowException, ValueError, TypeError, KeyError, IndexError):
        return None
    return row


def read_table(path: Path) -> pa.Table | None:
    """Read a file that `to_parquet` wrote; None, with a warning, if it is damaged."""
    try:
        table = pq.ParquetFile(path).read()
        written = (table.schema.metadata or {}).get(DIGEST)
        if written is not None and written != _digest(table):
            raise ValueError("its content is not what was written")
        return table.replace_schema_metadata(None)
    except (OSError, pa.ArrowException, ValueError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None


def _conform(table: pa.Table) -> pa.Table:
    """Bring a row that an older version wrote to the present columns."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in TRIAL_SCHEMA
    ]
    return pa.table(columns, schema=TRIAL_SCHEMA)


def to_parquet(table: pa.Table) -> bytes:
    """Write a table as a Parquet file that carries the hash of its values."""
    # Parquet's own checksums leave out its headers, where a flipped bit can change values too.
    sink = pa.BufferOutputStream()
    signed = table.replace_schema_metadata({DIGEST: _digest(table)})
    pq.write_table(signed, sink, compression="zstd")
    return bytes(sink.getvalue())


def _digest(table: pa.Table) -> bytes:
    values = json.dumps(table.to_pydict(), default=str).encode()
    return hashlib.sha256(values).hexdigest().encode()
