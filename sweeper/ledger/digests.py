"""Digests of what a trial leaves beside its row: there they stand, and tell damage and loss."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pyarrow as pa

NOT_REPEATED = {"seconds"}
"""The columns of a curve that differ each time that the same trial is trained."""


class Digests(NamedTuple):
    """SHA-256 digests, as columns of `TRIAL_SCHEMA`.

    Each is None where a trial has no such thing, or was recorded by a version without digests.
    """

    model_sha256: str | None
    samples_sha256: str | None
    curves_sha256: str | None


NO_DIGESTS = Digests(None, None, None)


def file_digest(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def curve_digest(curve: pa.Table) -> str:
    """Return the SHA-256 of a curve's values, in hexadecimal digits.

    It is the same for a curve in a file of its own and in a volume, after the same trial was
    trained again, and once a later version has added columns, which are null in older curves.

    Args:
        curve: with `CURVE_SCHEMA`, or the columns of another version.
    """
    digest = hashlib.sha256()
    for name in curve.column_names:
        column = curve[name]
        if name in NOT_REPEATED or column.null_count == len(column):
            continue
        values = column.to_numpy()
        if values.dtype.kind == "f":
            # Parquet keeps neither the sign of zero nor the kind of NaN in every encoding.
            values = np.where(np.isnan(values), np.nan, values + 0.0)
        digest.update(f"{name} {values.dtype.str};".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
