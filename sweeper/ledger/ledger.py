"""The durable record of a study: a folder with one row per finished trial.

A trial's curves, model and samples are written before its row, and every file is written whole
or not at all: a row that can be read stands for a trial that is complete, whatever was killed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.ledger import lock
from sweeper.ledger.artifacts import Artifacts
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.faults import Inspection
from sweeper.ledger.inspection import Inspector
from sweeper.ledger.integrity import encode
from sweeper.ledger.manifest import MANIFEST, Manifest, write_manifest
from sweeper.ledger.rebuild import read_or_rebuild, restore
from sweeper.ledger.record import TrialRecord
from sweeper.ledger.repair import ASIDE, set_aside
from sweeper.ledger.rows import Row, Rows
from sweeper.ledger.stop_file import PREFIX as STOP
from sweeper.ledger.storage import open_folder
from trainer.errors import UserError
from trainer.files import UNFINISHED, Folder
from trainer.local_folder import LocalFolder
from trainer.spec import TRIAL_ID
from trainer.verdict import Status

PARTS = {"trials", "curves", "models", "samples", "checkpoints", "report", ASIDE}
"""The folders in a study's folder."""

VOLUME = 500
"""Trials in a volume: few files for many trials, and little to write at a time."""

logger = logging.getLogger(__name__)


class Ledger:
    """A study's folder. Reading needs no lock; the run that writes to it holds `locked()`.

    What it has read of a finished trial it does not read again, since that never changes.

    Args:
        place: a path, or the URI of any storage that pyarrow opens.

    Raises:
        UserError: if no storage of that kind is known.
    """

    def __init__(self, place: Path | str) -> None:
        self.folder: Folder = open_folder(place)
        self.trials = self.folder.folder("trials")
        self.curves = self.folder.folder("curves")
        self.models = self.folder.folder("models")
        self.samples = self.folder.folder("samples")
        self.checkpoints = self.folder.folder("checkpoints")
        self.report = self.folder.folder("report")
        self._damaged = self.folder.folder(ASIDE)
        self._volumes = Volumes(self.trials, self.curves)
        self._rows = Rows(self.trials, self._volumes)
        self._artifacts = Artifacts(self.folder, self._volumes, self._rows)
        self._inspector = Inspector(self.folder, self._artifacts, self._volumes, self._rows)
        self._logged = ""

    @property
    def exists(self) -> bool:
        """Whether a study was started in this folder; one that lost its `study.json` has rows."""
        return self.folder.has(MANIFEST) or self._rows.any()

    def manifest(self) -> Manifest:
        """Read `study.json`: the request, the versions, and what each run cost.

        One that is lost or damaged is rebuilt from the rows, as far as they go, and that is logged.

        Raises:
            UserError: if the folder holds no study, or one that this version cannot read.
            OSError: if the storage refuses.
        """
        manifest = read_or_rebuild(self.folder, self.rows, self._begun)
        if manifest.rebuilt not in ("", self._logged):
            logger.warning("%s", manifest.rebuilt)
            self._logged = manifest.rebuilt
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace `study.json`."""
        write_manifest(self.folder, manifest)

    def _begun(self) -> list[str]:
        """List the trials that have checkpoints."""
        return list(filter(TRIAL_ID.fullmatch, self.checkpoints.names()))

    def check_is_study(self) -> None:
        """Check that the folder can hold a study, and nothing else is kept in it.

        Raises:
            UserError: if it is no folder, or holds files but no study.
        """
        if isinstance(self.folder, LocalFolder) and self.folder.path.is_file():
            raise UserError(f"{self.folder} is a file; give a folder with --study")
        if self.exists:
            return
        ours = (lock.LOCK, UNFINISHED)  # of a run that was killed while it wrote the first file
        others = [name for name in self.folder.names() if not name.endswith(ours)]
        if others and not (self._begun() and set(others) <= PARTS):
            raise UserError(
                f"{self.folder} is not empty and holds no study (found {others[0]!r}); "
                "give an empty or new folder with --study"
            )

    @property
    def holder(self) -> str | None:
        """The process that runs the study at this moment, on this machine or over its storage."""
        return lock.holder(self.folder)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder for one run.

        Raises:
            UserError: if another run holds it, with that run's process and host.
        """
        return lock.held(self.folder)

    def record(self, record: TrialRecord) -> None:
        """Keep a trial: its row last, after which only a failed one needs its checkpoints."""
        trial_id = record.spec.trial_id
        digests = self._artifacts.write(record)
        self.trials.write(f"{trial_id}.parquet", encode(record.row(digests)))
        if record.result.status is not Status.FAILED:
            self.checkpoints.folder(trial_id).clear()

    def recover(self) -> list[str]:
        """Make the folder ready for a run, which holds it, after a run that was killed.

        Removes the checkpoints of finished trials, files that were being written, and requests to
        stop; finishes a compaction; sets volumes and a `study.json` aside that are damaged, and
        writes the latter anew.

        Returns:
            `damaged()`, as it was.

        Raises:
            OSError: if there is something that leads outside the folder, or blocks whoever reads
                it, where the study has its files.
        """
        for folder in (self.trials, self.curves, self.models, self.samples):
            folder.check()
        for folder in (self.checkpoints, self.report, self._damaged):
            folder.check(folders=True)
        if self.exists:
            restore(self.folder, self._damaged, self.manifest())
        damaged = self.damaged()
        for name in set(self._volumes.names()) & set(damaged):
            self._damaged.write(name, self.trials.read(name))
            self.trials.remove(name)
        self._volumes.remove_unfinished()
        for folder in (self.folder, self.trials, self.curves, self.models, self.samples):
            for name in folder.names():
                if name.endswith(UNFINISHED) or name.startswith(STOP):
                    folder.remove(name)
        finished = self.finished()
        for trial_id in self.checkpoints.names():
            if trial_id in finished:
                self.checkpoints.folder(trial_id).clear()
        self.compact()
        return damaged

    def compact(self) -> None:
        """Compact finished trials into volumes, as long as there are enough; see `compaction`.

        Only the run that holds the folder may do so.

        Raises:
            OSError: if a volume cannot be written; nothing is lost.
        """
        finished, compacted = self.finished(), self._rows.compacted()
        single = [trial_id for trial_id in self._rows.single() if trial_id in finished]
        left = [trial_id for trial_id in single if trial_id in compacted]
        if left:  # by a run that was killed while it did this
            curves = self._artifacts.compacted_curves(left)
            for trial_id in left:
                self._remove_single(trial_id, with_curve=trial_id in curves)
        single = [trial_id for trial_id in single if trial_id not in compacted]
        for first in range(0, len(single) - VOLUME + 1, VOLUME):
            self._compact(single[first : first + VOLUME])

    def _compact(self, batch: list[str]) -> None:
        rows = {trial_id: self._rows.read_single(trial_id) for trial_id in batch}
        curves = self.curves_of(batch)
        self._volumes.compact(
            pa.concat_tables([row for row in rows.values() if row is not None]), curves
        )
        for trial_id, row in rows.items():
            if row is not None:
                self._remove_single(trial_id, with_curve=trial_id in curves)

    def _remove_single(self, trial_id: str, *, with_curve: bool) -> None:
        if with_curve:  # and not one that could not be read just now
            self.curves.remove(f"{trial_id}.parquet")
        # The row last: if this is killed, it is what the next run finds and removes.
        self.trials.remove(f"{trial_id}.parquet")

    def rows(self) -> pa.Table:
        """Read all rows, in the order the trials finished.

        A row that cannot be read (which only damage to the disk can cause) is left out, so that
        its trial is trained again; `damaged()` names it.
        """
        return self._rows.table()

    def damaged(self) -> list[str]:
        """Name the files in `trials` that cannot be read: the row of a trial, or a volume.

        What they held has to be trained again.
        """
        return self._rows.damaged()

    def row(self, trial_id: str) -> dict[str, Any] | None:
        """Read one trial's row; None if it has none that can be read."""
        return self._rows.row(trial_id)

    def ended(self, known: Iterable[str] = ()) -> Mapping[str, Row]:
        """Return how each trial ended that has a row, by its id.

        Args:
            known: trials that have ended, which a listing of the folder may not show yet.
        """
        return self._rows.ended(known)

    def finished(self) -> set[str]:
        """Return the ids of the trials that need not be trained again: those that did not fail."""
        return {trial_id for trial_id, row in self.ended().items() if row.finished}

    def curve(self, trial_id: str) -> pa.Table:
        """Read one trial's curves; empty if it has none that can be read."""
        return self.curves_of([trial_id]).get(trial_id, CURVE_SCHEMA.empty_table())

    def curves_of(self, trial_ids: Iterable[str]) -> dict[str, pa.Table]:
        """Read the curves of those of these trials that have any that can be read.

        To ask once for many is much faster than to ask for each, since they lie in volumes.
        """
        return self._artifacts.curves_of(trial_ids)

    def sample(self, trial_id: str) -> dict[str, np.ndarray]:
        """Read one trial's sample images; empty if it has none that can be read."""
        return self._artifacts.sample(trial_id)

    def inspect(self, rows: pa.Table, seconds: float | None = None) -> Inspection:
        """Check the models, samples and curves of trials; see `Inspector.inspect`."""
        return self._inspector.inspect(rows, seconds)

    def set_aside(self, trial_ids: Collection[str]) -> None:
        """Move trials into `damaged/`, so that they are missing; see `repair.set_aside`.

        Only the run that holds the folder may do so, after `recover`.
        """
        set_aside(self.folder, self._artifacts, self._volumes, trial_ids)
        self._rows.forget(trial_ids)


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)
