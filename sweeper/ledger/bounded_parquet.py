"""Parquet files that somebody else may have written, read only if they are of a sane size.

A file of a few kilobytes can stand for terabytes: by compression, by long runs of one value, and
by a long string that is written once and stands in many rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MAX_BYTES = 2**29
"""Of a whole table, decompressed."""
MAX_COLUMNS = 1000

THREADED = 2**20
"""From this size on, in bytes, threads are faster than none."""


def read_bounded(content: bytes, max_rows: int) -> pa.Table:
    """Read a table, with the metadata of its schema, but its lists and other nests as null.

    How long a list is cannot be known before it is read. (Each column's metadata says so, but
    pyarrow ends the process where that is damaged.)

    Raises:
        ValueError, OSError, pa.ArrowException: if it is damaged, or too large.
    """
    source = pa.BufferReader(content)
    file = pq.ParquetFile(source)
    _check_size(file.metadata, max_rows)
    fields = [field for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    # As dictionaries, strings take no more than is in the file, however many rows they stand in.
    texts = [field.name for field in fields if _is_text(field.type)]
    file = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=texts)
    names = [field.name for field in fields]
    table = file.read(columns=names, use_threads=len(content) > THREADED)
    if sum(map(_text_bytes, table.columns)) > MAX_BYTES:
        raise ValueError(f"its strings are of more than {MAX_BYTES:,} bytes")
    table = table.cast(pa.schema(map(_plain, table.schema), metadata=table.schema.metadata))
    table.validate(full=True)  # strings are UTF-8
    for place, field in enumerate(file.schema_arrow):
        if pa.types.is_nested(field.type):
            table = table.add_column(place, field, pa.nulls(len(table), field.type))
    return table


def _check_size(metadata: pq.FileMetaData, max_rows: int) -> None:
    if metadata.num_columns > MAX_COLUMNS:
        raise ValueError(f"it has {metadata.num_columns:,} columns")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if rows > max_rows:
        raise ValueError(f"it has {rows:,} rows, at most {max_rows:,} were written")
    if sum(group.total_byte_size for group in groups) > MAX_BYTES:
        raise ValueError(f"it is of more than {MAX_BYTES:,} bytes, decompressed")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Return the size of a column of strings, written out; 0 for any other."""
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(each.cast(pa.int64())).as_py() or 0 for each in lengths)


def _plain(field: pa.Field) -> pa.Field:
    kind = field.type
    return field.with_type(kind.value_type) if pa.types.is_dictionary(kind) else field
