"""The rows of a study's trials: single, a file each, or compacted into volumes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.columns import TRIAL_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.digests import Digests
from sweeper.ledger.integrity import decode_row
from trainer.files import Folder
from trainer.verdict import Status

ROW_NAME = re.compile(r"([0-9a-f]{16})\.parquet")

READINGS = 5
"""How often all volumes are read at most while a run is writing them anew."""

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """How a trial ended, as far as other trials may depend on it; see `columns` for units."""

    status: str
    open_gates: int | None
    train_sse: float
    test_sse_sampled: float
    test_sse_mean: float
    constraint_ma: float
    settled_step: int | None

    @property
    def finished(self) -> bool:
        """Whether the trial need not be trained again."""
        return self.status != Status.FAILED


class Rows:
    """Reads the rows. The row of a finished trial never changes, so it is read once."""

    def __init__(self, trials: Folder, volumes: Volumes) -> None:
        self._trials = trials
        self._volumes = volumes
        self._ended: dict[str, Row] = {}
        self._compacted: dict[str, str] = {}
        self._volumes_read: set[str] = set()
        self._damaged: set[str] = set()

    def any(self) -> bool:
        """Return whether there is any file of rows."""
        return bool(self.single() or self._volumes.names())

    def table(self) -> pa.Table:
        """Read all rows that can be read, in the order the trials finished."""
        # Single rows first: one that is compacted while this reads is then found in its volume.
        single = [self.read_single(trial_id) for trial_id in self.single()]
        found = [table for table in (*self._read_volumes(), *single) if table is not None]
        table = _first_of_each(pa.concat_tables([TRIAL_SCHEMA.empty_table(), *found]))
        return table.sort_by([("finished_at", "ascending")])

    def row(self, trial_id: str) -> dict[str, Any] | None:
        """Read one trial's row; None if it has none that can be read."""
        row = self.read_single(trial_id)
        if row is None:
            name = self.compacted().get(trial_id)
            volume = name and self._read_volume(name)
            row = volume and volume.filter(pc.field("trial_id") == trial_id)
        return dict(row.to_pylist()[0]) if row else None

    def ended(self, known: Iterable[str] = ()) -> Mapping[str, Row]:
        """Return how each trial ended that has a row, by its id.

        Args:
            known: trials that have ended, which a listing of the folder may not show yet: those
                of network mounts lag behind their files.
        """
        self._read_new()
        for trial_id in known:
            if trial_id not in self._ended:
                self._remember(self.read_single(trial_id))
        return MappingProxyType(self._ended)

    def compacted(self) -> Mapping[str, str]:
        """Return the name of the volume that each compacted trial is in."""
        self._read_new_volumes()
        return MappingProxyType(self._compacted)

    def by_volume(self, trial_ids: Iterable[str]) -> dict[str, set[str]]:
        """Sort those of these trials that were compacted by the name of their volume."""
        compacted, found = self.compacted(), dict[str, set[str]]()
        for trial_id in trial_ids:
            if trial_id in compacted:
                found.setdefault(compacted[trial_id], set()).add(trial_id)
        return found

    def digests_of(self, trial_ids: Iterable[str]) -> dict[str, Digests]:
        """Read the digests of those of these trials that have a row."""
        wanted = set(trial_ids)
        found: dict[str, Digests] = {}
        for trial_id in wanted.intersection(self.single()):
            found |= digests_in(self.read_single(trial_id))
        for name, compacted in self.by_volume(wanted - found.keys()).items():
            digests = digests_in(self._read_volume(name))
            found |= {key: digests[key] for key in compacted & digests.keys()}
        return found

    def damaged(self) -> list[str]:
        """Name the files that cannot be read: the row of a trial, or a volume."""
        self._read_new()
        return sorted(self._damaged)

    def single(self) -> list[str]:
        """List the trials that have a row file of their own."""
        return [match[1] for match in map(ROW_NAME.fullmatch, self._trials.names()) if match]

    def read_single(self, trial_id: str) -> pa.Table | None:
        """Read the row file of a trial; None if there is none that can be read."""
        name = f"{trial_id}.parquet"
        try:
            row = decode_row(self._trials.read(name), trial_id)
        except FileNotFoundError:  # compacted since it was listed
            return None
        except ValueError as error:
            self._note_damage(name, error)
            return None
        self._damaged.discard(name)
        return row

    def _read_new(self) -> None:
        """Read how trials ended whose rows have come, or may have changed, since the last time."""
        for trial_id in self.single():
            known = self._ended.get(trial_id)
            if known is None or not known.finished:  # a failed one may have been trained again
                self._remember(self.read_single(trial_id))
        self._read_new_volumes()

    def _read_new_volumes(self) -> None:
        names = self._volumes.names()
        self._forget_volumes(self._volumes_read.difference(names))
        for name in names:
            if name not in self._volumes_read:
                rows = self._read_volume(name)
                if rows is not None:
                    self._remember(rows)
                    self._compacted.update(dict.fromkeys(rows["trial_id"].to_pylist(), name))
                    self._volumes_read.add(name)

    def forget(self, trial_ids: Iterable[str]) -> None:
        """Forget trials that were set aside."""
        for trial_id in trial_ids:
            self._ended.pop(trial_id, None)
            self._compacted.pop(trial_id, None)

    def _forget_volumes(self, gone: set[str]) -> None:
        """Forget which trials were in volumes that a run has written anew and removed."""
        if gone:
            kept = {key: name for key, name in self._compacted.items() if name not in gone}
            self._compacted.clear()
            self._compacted.update(kept)
            self._volumes_read -= gone

    def _remember(self, rows: pa.Table | None) -> None:
        if rows is None:
            return
        columns = (rows[name].to_pylist() for name in Row._fields)
        values = map(Row, *columns)
        self._ended.update(zip(rows["trial_id"].to_pylist(), values, strict=True))

    def _read_volumes(self) -> list[pa.Table | None]:
        """Read all volumes; all again if a run wrote one anew meanwhile and removed the old."""
        for _ in range(READINGS):
            names = self._volumes.names()
            tables = [self._read_volume(name) for name in names]
            if set(names) <= set(self._volumes.names()):
                break
        return tables

    def _read_volume(self, name: str) -> pa.Table | None:
        try:
            return self._volumes.rows(name)
        except FileNotFoundError:  # written anew since it was listed
            return None
        except ValueError as error:
            self._note_damage(name, error)
            return None

    def _note_damage(self, name: str, error: ValueError) -> None:
        if name not in self._damaged:
            logger.warning("%s cannot be read: %s", self._trials.at(name), error)
            self._damaged.add(name)


def digests_in(rows: pa.Table | None) -> dict[str, Digests]:
    """Return the digests that rows have, by trial."""
    if rows is None:
        return {}
    trial_ids, *columns = (rows[name].to_pylist() for name in ("trial_id", *Digests._fields))
    return dict(zip(trial_ids, map(Digests, *columns), strict=True))


def _first_of_each(table: pa.Table) -> pa.Table:
    """Drop the rows of trials that an earlier row is of."""
    first: dict[str, int] = {}
    for place, trial_id in enumerate(table["trial_id"].to_pylist()):
        first.setdefault(trial_id, place)
    return table if len(first) == len(table) else table.take(list(first.values()))
