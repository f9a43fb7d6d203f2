"""Finished trials compacted into volumes, since thousands of small files are slow to read.

A volume is two files of one name: the rows in `trials/`, the curves in `curves/`. It is written
and read back before any of the files that it stands for are removed, and its rows, which are
written last, are what makes it count. So whenever a process is killed, each trial is there: in
single files, in a volume, or for a while in both.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.columns import CURVE_SCHEMA, TRIAL_SCHEMA
from sweeper.ledger.integrity import conform, decode, decode_rows, encode_unsigned
from sweeper.ledger.row_check import check_curve
from trainer.files import Folder, content_hash, content_name, read_checked

NAME = re.compile(r"volume-([0-9a-f]{16})-([0-9a-f]{16})\.parquet")
"""The hash of the trials' ids, and that of the file's content."""

MAX_TRIALS, MAX_POINTS = 2**16, 2**22
"""In a volume, at most: of some later version, since this one's are far smaller."""

VOLUME_CURVES = pa.schema([("trial_id", pa.string()), *CURVE_SCHEMA])


class Volumes:
    """The volumes of a ledger."""

    def __init__(self, trials: Folder, curves: Folder) -> None:
        self._trials = trials
        self._curves = curves
        self._checked: set[str] = set()

    def names(self) -> list[str]:
        """List the volumes."""
        return list(filter(NAME.fullmatch, self._trials.names()))

    def rows(self, name: str) -> pa.Table:
        """Read a volume's rows.

        Raises:
            ValueError: if the file is damaged, or holds none that a run wrote.
        """
        content = read_checked(self._trials, name)
        if name in self._checked:  # its name says that it is the same
            return conform(decode(content, max_rows=MAX_TRIALS), TRIAL_SCHEMA)
        rows = decode_rows(content, max_rows=MAX_TRIALS)
        self._checked.add(name)
        return rows

    def curves_name(self, name: str) -> str | None:
        """Return the name of the file with a volume's curves; None if there is none."""
        batch = _match(name)[1]
        return next((each for each in self._curve_names() if _match(each)[1] == batch), None)

    def curves(self, name: str, trial_ids: Collection[str]) -> dict[str, pa.Table]:
        """Read the curves of those of these trials that have any in a volume.

        Raises:
            ValueError: if the file is damaged.
            FileNotFoundError: if it is gone.
        """
        found = self.curves_name(name)
        if found is None:
            raise FileNotFoundError(f"{self._curves} has no curves of {name}")
        content = read_checked(self._curves, found)
        table = conform(decode(content, max_rows=MAX_POINTS), VOLUME_CURVES)
        check_curve(table)
        runs = pc.run_end_encode(table["trial_id"].combine_chunks())
        bounds = itertools.pairwise([0, *runs.run_ends.to_pylist()])
        return {
            trial_id: table.slice(first, end - first).select(CURVE_SCHEMA.names)
            for trial_id, (first, end) in zip(runs.values.to_pylist(), bounds, strict=True)
            if trial_id in trial_ids
        }

    def compact(self, rows: pa.Table, curves: Mapping[str, pa.Table]) -> None:
        """Write a volume.

        Args:
            rows: of finished trials, each once.
            curves: with `CURVE_SCHEMA`, by trial; those that have none are left out.

        Raises:
            OSError: if it cannot be written, or is not what was written when it is read back.
        """
        ids = rows["trial_id"].to_pylist()
        batch = content_hash("\n".join(sorted(ids)).encode())
        parts = [
            curve.add_column(0, "trial_id", pa.array([trial_id] * len(curve), pa.string()))
            for trial_id in ids
            if (curve := curves.get(trial_id)) is not None
        ]
        _write(self._curves, batch, pa.concat_tables([VOLUME_CURVES.empty_table(), *parts]))
        _write(self._trials, batch, rows)

    def write_without(self, name: str, trial_ids: Collection[str]) -> None:
        """Write a volume anew without some of its trials, and remove the old one.

        Whatever is killed on the way, the others are there, and these until the end.

        Raises:
            OSError: if that cannot be read or written; nothing is lost.
        """
        rows = self.rows(name)
        kept = rows.filter(pc.invert(pc.is_in(rows["trial_id"], pa.array(list(trial_ids)))))
        try:
            curves = self.curves(name, set(kept["trial_id"].to_pylist()))
        except (ValueError, FileNotFoundError):
            curves = {}  # damaged or lost: there is nothing to keep
        if len(kept):
            self.compact(kept, curves)
        old = self.curves_name(name)
        self._trials.remove(name)
        if old is not None:
            self._curves.remove(old)

    def remove_unfinished(self) -> None:
        """Remove curves whose writer was killed before it wrote their rows."""
        batches = {_match(name)[1] for name in self.names()}
        for name in self._curve_names():
            if _match(name)[1] not in batches:
                self._curves.remove(name)

    def _curve_names(self) -> list[str]:
        return list(filter(NAME.fullmatch, self._curves.names()))


def _write(folder: Folder, batch: str, table: pa.Table) -> None:
    content = encode_unsigned(table)
    name = content_name(f"volume-{batch}", content, ".parquet")
    folder.write(name, content)
    try:
        found = decode(read_checked(folder, name), max_rows=len(table))
        same = found["trial_id"].equals(table["trial_id"])
    except ValueError:
        same = False
    if not same:
        folder.remove(name)
        raise OSError(f"{folder.at(name)} is not what was written to it; check the disk")


def _match(name: str) -> re.Match[str]:
    match = NAME.fullmatch(name)
    assert match
    return match
