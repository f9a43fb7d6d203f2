"""The durable record of a study: a folder with one row per finished trial.

A trial's curves, model and samples are written before its row, and every file is written whole
or not at all: a row that can be read stands for a trial that is complete, whatever was killed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.ledger import lock
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.integrity import decode, encode
from sweeper.ledger.manifest import MANIFEST, read_manifest, write_manifest
from sweeper.ledger.record import TrialRecord
from sweeper.ledger.rows import Rows
from sweeper.ledger.stop_file import PREFIX as STOP
from sweeper.ledger.storage import open_folder
from trainer.errors import UserError
from trainer.files import UNFINISHED, Folder, LocalFolder
from trainer.verdict import Status

ATTEMPT = "attempt.json"
"""Beside a trial's checkpoints: how often it was begun, and when first."""

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
        self._volumes = Volumes(self.trials, self.curves)
        self._rows = Rows(self.trials, self._volumes)

    @property
    def exists(self) -> bool:
        """Whether a study was started in this folder."""
        return self.folder.has(MANIFEST)

    def manifest(self) -> dict[str, Any]:
        """Read `study.json`: the request, the versions, and what each run cost.

        Raises:
            UserError: if the folder holds no study, or one that this version cannot read.
        """
        return read_manifest(self.folder)

    def write_manifest(self, content: dict[str, Any]) -> None:
        """Replace `study.json`."""
        write_manifest(self.folder, content)

    def refuse_strangers(self) -> None:
        """Refuse a folder that is used for something else.

        Raises:
            UserError: if it is no folder, or holds files but no study.
        """
        if isinstance(self.folder, LocalFolder) and self.folder.path.is_file():
            raise UserError(f"{self.folder} is a file; give a folder with --study")
        if self.exists:
            return
        ours = (lock.LOCK, UNFINISHED)  # of a run that was killed while it wrote the first file
        strangers = [name for name in self.folder.names() if not name.endswith(ours)]
        if strangers:
            raise UserError(
                f"{self.folder} is not empty and holds no study (found {strangers[0]!r}); "
                "give an empty or new folder with --study"
            )

    @property
    def holder(self) -> str | None:
        """Who runs the study at this moment, on this machine or over its storage."""
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
        if record.curves is not None:
            self.curves.write(f"{trial_id}.parquet", encode(record.curves))
        if record.model is not None:
            self.models.write(f"{trial_id}.safetensors", record.model)
        if record.samples is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **record.samples)
            self.samples.write(f"{trial_id}.npz", buffer.getvalue())
        self.trials.write(f"{trial_id}.parquet", encode(record.row()))
        if record.result.status is not Status.FAILED:
            self.checkpoints.folder(trial_id).clear()

    def tidy(self) -> list[str]:
        """Make ready for a run, which holds the folder.

        Checkpoints of finished trials go, which a worker left that outlived its killed run by a
        moment, and what was left of stopping, writing a file or binding trials when that was
        killed.
        Volumes that are damaged are set aside.

        Returns:
            `damaged()`, as it was.
        """
        damaged = self.damaged()
        for name in set(self._volumes.names()) & set(damaged):
            self.folder.folder("damaged").write(name, self.trials.read(name))
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
        self.bind()
        return damaged

    def bind(self) -> None:
        """Bind finished trials into volumes, as long as there are enough; see `compaction`.

        Only the run that holds the folder may do so.

        Raises:
            OSError: if that cannot be written; nothing is lost.
        """
        finished, bound = self._rows.errors(), self._rows.bound()
        loose = [trial_id for trial_id in self._rows.loose() if trial_id in finished]
        left = [trial_id for trial_id in loose if trial_id in bound]
        if left:  # of a run that was killed while it did this
            curves = self._bound_curves(left)
            for trial_id in left:
                self._remove_loose(trial_id, with_curve=trial_id in curves)
        loose = [trial_id for trial_id in loose if trial_id not in bound]
        for first in range(0, len(loose) - VOLUME + 1, VOLUME):
            self._bind(loose[first : first + VOLUME])

    def _bind(self, batch: list[str]) -> None:
        rows = {trial_id: self._rows.read_loose(trial_id) for trial_id in batch}
        curves = self.curves_of(batch)
        self._volumes.bind(
            pa.concat_tables([row for row in rows.values() if row is not None]), curves
        )
        for trial_id, row in rows.items():
            if row is not None:
                self._remove_loose(trial_id, with_curve=trial_id in curves)

    def _remove_loose(self, trial_id: str, *, with_curve: bool) -> None:
        if with_curve:  # and not one that could not be read just now
            self.curves.remove(f"{trial_id}.parquet")
        self.trials.remove(f"{trial_id}.parquet")  # last: a row that is left tells of both

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

    def finished(self) -> set[str]:
        """List the ids of trials that need not be trained: all that have a row and an answer."""
        return set(self.errors())

    def errors(self) -> dict[str, float]:
        """Give the `train_sse` that each finished trial ended with; NaN for one that diverged."""
        return dict(self._rows.errors())

    def curve(self, trial_id: str) -> pa.Table:
        """Read one trial's curves; empty if it has none that can be read."""
        return self.curves_of([trial_id]).get(trial_id, CURVE_SCHEMA.empty_table())

    def curves_of(self, trial_ids: Iterable[str]) -> dict[str, pa.Table]:
        """Read the curves of those of these trials that have any that can be read.

        To ask once for many is much faster than to ask for each, since they lie in volumes.
        """
        loose = {trial_id: self._loose_curve(trial_id) for trial_id in trial_ids}
        found = {trial_id: curve for trial_id, curve in loose.items() if curve is not None}
        return found | self._bound_curves(loose.keys() - found.keys())

    def _bound_curves(self, trial_ids: Iterable[str]) -> dict[str, pa.Table]:
        found: dict[str, pa.Table] = {}
        by_volume: dict[str, set[str]] = {}
        bound = self._rows.bound()
        for trial_id in trial_ids:
            if trial_id in bound:
                by_volume.setdefault(bound[trial_id], set()).add(trial_id)
        for volume, wanted in by_volume.items():
            with _telling_damage(f"the curves of {self.trials.at(volume)}"):
                found |= self._volumes.curves(volume, wanted)
        return found

    def _loose_curve(self, trial_id: str) -> pa.Table | None:
        name = f"{trial_id}.parquet"
        with _telling_damage(self.curves.at(name)), contextlib.suppress(FileNotFoundError):
            return decode(self.curves.read(name))
        return None

    def sample(self, trial_id: str) -> dict[str, np.ndarray]:
        """Read one trial's sample images; empty if it has none that can be read."""
        name = f"{trial_id}.npz"
        with _telling_damage(self.samples.at(name)), contextlib.suppress(FileNotFoundError):
            content = io.BytesIO(self.samples.read(name))
            with np.load(content, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        return {}


@contextlib.contextmanager
def _telling_damage(what: str) -> Iterator[None]:
    """Do without what is damaged, which no result depends on."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s cannot be read: %s", what, error)


def now() -> datetime:
    """Give the present moment, in UTC."""
    return datetime.now(UTC)
