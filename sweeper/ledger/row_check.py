"""Whether rows can be what a run wrote: types alone leave room for values that none computes."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.fields import FIRST_YEAR, LARGEST, LAST_YEAR
from trainer.spec import MAX_UNITS, TrialSpec
from trainer.verdict import Status

REQUIRED = ("trial_id", "study", "dataset", "tau", "width", "seed", "steps", "status", "spec")
JUDGED = [str(each) for each in (Status.FEASIBLE, Status.UNSETTLED, Status.INFEASIBLE)]
"""The statuses of trials that were trained to their end."""

MOST = 2**53
BOUNDS: dict[str, tuple[float, float]] = {
    "tau": (0, 1e300),
    "width": (1, MAX_UNITS),
    "seed": (0, math.inf),
    "steps": (1, MOST),
    "batch_size": (1, MAX_UNITS),
    "open_gates": (0, MAX_UNITS),
    "settled_step": (0, MOST),
    "seconds": (0, LARGEST),
    "steps_per_second": (0, LARGEST),
    "pack_size": (1, MOST),
    "attempts": (0, MOST),
}
"""The least and the largest value of a column; null and NaN stand for what was not measured."""


def check_rows(rows: pa.Table) -> None:
    """Check rows of `TRIAL_SCHEMA`.

    Raises:
        ValueError: if one is none that a run wrote; the message names the column.
    """
    for name in (*REQUIRED, "finished_at"):
        if rows[name].null_count:
            raise ValueError(f"{name} is missing")
    for name, (least, most) in BOUNDS.items():
        _check_range(name, rows[name], least, most)
    for name in ("started_at", "finished_at"):
        since = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp() * 1e6
        until = datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp() * 1e6
        _check_range(name, rows[name].cast(pa.int64()), since, until)
    unknown = set(rows["status"].unique().to_pylist()) - {str(each) for each in Status}
    if unknown:
        raise ValueError(f"status should be one of {', '.join(Status)}, found {min(unknown)!r}")
    _check_measures(rows.filter(pc.field("status").isin(JUDGED)))
    for trial_id, text in zip(rows["trial_id"].to_pylist(), rows["spec"].to_pylist(), strict=True):
        if TrialSpec.from_json(text).trial_id != trial_id:
            raise ValueError("it is the row of another trial")


def check_curve(curve: pa.Table) -> None:
    """Check a curve of `CURVE_SCHEMA`.

    Raises:
        ValueError: if it is none that a run wrote.
    """
    if curve["step"].null_count:
        raise ValueError("step is missing")
    for name in ("step", "open_gates"):
        _check_range(name, curve[name], 0, MOST)


def _check_measures(judged: pa.Table) -> None:
    """Check what other trials, and answers, are computed from."""
    for name in ("open_gates", "train_sse"):
        if judged[name].null_count:
            raise ValueError(f"{name} is missing")
    if not _all(pc.and_(pc.is_finite(judged["train_sse"]), pc.less_equal(0, judged["train_sse"]))):
        raise ValueError("train_sse should be a finite number from 0 up")
    if not _all(pc.less_equal(judged["open_gates"], judged["width"])):
        raise ValueError("open_gates should be at most the width")


def _check_range(name: str, column: pa.ChunkedArray, least: float, most: float) -> None:
    ends = pc.min_max(column).as_py()
    if ends["min"] is None:
        return
    if not least <= ends["min"] <= ends["max"] <= most and not math.isnan(ends["min"]):
        raise ValueError(f"{name} should be from {least:g} to {most:g}")


def _all(booleans: pa.ChunkedArray) -> bool:
    return pc.all(booleans).as_py() is not False
