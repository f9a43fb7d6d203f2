"""The rows of a study's trials, wherever they lie: loose, a file each, or bound into volumes."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.columns import TRIAL_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.integrity import decode_row
from trainer.files import Folder
from trainer.verdict import Status

ROW = re.compile(r"([0-9a-f]{16})\.parquet")

ENDS = ("trial_id", "status", "train_sse")
"""What has to be known of each trial to tell what is missing."""

logger = logging.getLogger(__name__)


class Rows:
    """Reads the rows. What was read of a finished trial is not read again: it never changes."""

    def __init__(self, trials: Folder, volumes: Volumes) -> None:
        self._trials = trials
        self._volumes = volumes
        self._errors: dict[str, float] = {}
        self._bound: dict[str, str] = {}
        self._volumes_read: set[str] = set()
        self._damaged: set[str] = set()

    def table(self) -> pa.Table:
        """Read all rows that can be read, in the order the trials finished."""
        # Loose ones first: what is bound meanwhile is met again in a volume, never missed.
        loose = [self.read_loose(trial_id) for trial_id in self.loose()]
        volumes = [self._read_volume(name) for name in self._volumes.names()]
        found = [table for table in (*volumes, *loose) if table is not None]
        table = _first_of_each(pa.concat_tables([TRIAL_SCHEMA.empty_table(), *found]))
        return table.sort_by([("finished_at", "ascending")])

    def row(self, trial_id: str) -> dict[str, Any] | None:
        """Read one trial's row; None if it has none that can be read."""
        row = self.read_loose(trial_id)
        if row is None:
            name = self.bound().get(trial_id)
            volume = name and self._read_volume(name)
            row = volume and volume.filter(pc.field("trial_id") == trial_id)
        return dict(row.to_pylist()[0]) if row else None

    def errors(self) -> Mapping[str, float]:
        """Give the `train_sse` that each finished trial ended with; NaN for one that diverged."""
        self._look()
        return MappingProxyType(self._errors)

    def bound(self) -> Mapping[str, str]:
        """Give the name of the volume that each bound trial lies in."""
        self._look()
        return MappingProxyType(self._bound)

    def damaged(self) -> list[str]:
        """Name the files that cannot be read: the row of a trial, or a volume."""
        self._look()
        return sorted(self._damaged)

    def loose(self) -> list[str]:
        """List the trials that have a row of their own."""
        return [match[1] for match in map(ROW.fullmatch, self._trials.names()) if match]

    def read_loose(self, trial_id: str) -> pa.Table | None:
        """Read a row that lies alone; None if there is none that can be read."""
        name = f"{trial_id}.parquet"
        try:
            row = decode_row(self._trials.read(name), trial_id)
        except FileNotFoundError:  # bound since it was listed
            return None
        except ValueError as error:
            self._tell_damage(name, error)
            return None
        self._damaged.discard(name)
        return row

    def _look(self) -> None:
        """Read of each finished trial that has come since the last time how it ended."""
        for trial_id in self.loose():
            if trial_id not in self._errors:
                self._note(self.read_loose(trial_id))
        for name in self._volumes.names():
            if name not in self._volumes_read:
                rows = self._read_volume(name, ENDS)
                if rows is not None:
                    self._note(rows)
                    self._bound.update(dict.fromkeys(rows["trial_id"].to_pylist(), name))
                    self._volumes_read.add(name)

    def _note(self, rows: pa.Table | None) -> None:
        for row in [] if rows is None else rows.select(ENDS).to_pylist():
            if row["status"] != Status.FAILED:
                diverged = row["status"] == Status.DIVERGED
                self._errors[row["trial_id"]] = math.nan if diverged else row["train_sse"]

    def _read_volume(self, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        try:
            return self._volumes.rows(name, columns)
        except ValueError as error:
            self._tell_damage(name, error)
            return None

    def _tell_damage(self, name: str, error: ValueError) -> None:
        if name not in self._damaged:
            logger.warning("%s cannot be read: %s", self._trials.at(name), error)
            self._damaged.add(name)


def _first_of_each(table: pa.Table) -> pa.Table:
    """Drop the rows of trials that an earlier row is of."""
    first: dict[str, int] = {}
    for place, trial_id in enumerate(table["trial_id"].to_pylist()):
        first.setdefault(trial_id, place)
    return table if len(first) == len(table) else table.take(list(first.values()))
