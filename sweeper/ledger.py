"""The durable record of a study: a folder with one row per finished trial.

A trial's curves, model and samples are written before its row, and every file is written whole
or not at all: a row that can be read stands for a trial that is complete, whatever was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import math
import os
import shutil
import socket
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.schema import CURVE_SCHEMA, SCHEMA_VERSION, TRIAL_SCHEMA
from sweeper.tables import read_row, read_table, to_parquet
from sweeper.trial_record import TrialRecord
from trainer.errors import UserError
from trainer.files import write_atomic
from trainer.spec import Status

FORMAT = "bottleneck-sweeper-study"
MANIFEST_KEYS = {
    "schema_version": int,
    "study": str,
    "settings": dict,
    "request": dict,
    "asked": list,
    "waiting": list,
    "runs": list,
}

logger = logging.getLogger(__name__)


class Ledger:
    """A study's folder. Reading needs no lock; the run that writes to it holds `locked()`.

    Raises:
        UserError: if the folder holds something else, or a study of a newer schema.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.trials = self.folder / "trials"
        self.curves = self.folder / "curves"
        self.models = self.folder / "models"
        self.samples = self.folder / "samples"
        self.checkpoints = self.folder / "checkpoints"
        self.report = self.folder / "report"
        self._manifest_path = self.folder / "study.json"

    @property
    def exists(self) -> bool:
        """Whether a study was started in this folder."""
        return self._manifest_path.exists()

    def manifest(self) -> dict[str, Any]:
        """Read `study.json`: the request, the versions, and what each run cost."""
        if not self.exists:
            raise UserError(f"{self.folder} holds no study (no study.json); see `sweeper list`")
        try:
            manifest = json.loads(self._manifest_path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{self._manifest_path} cannot be read: {error}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise UserError(f"{self._manifest_path} is not a study of this program")
        version = manifest.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise UserError(
                f"{self.folder} was written with schema {version}, this "
                f"version reads up to {SCHEMA_VERSION}; upgrade bottleneck-sweeper"
            )
        manifest = _upgrade(manifest)
        for key, kind in MANIFEST_KEYS.items():
            if not isinstance(manifest.get(key), kind):
                raise UserError(
                    f"{self._manifest_path} is damaged: {key!r} is missing or of another kind; "
                    "restore it, or move its folder away and run the study again"
                )
        return manifest

    def write_manifest(self, content: dict[str, Any]) -> None:
        """Replace `study.json`."""
        manifest = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **content}
        write_atomic(self._manifest_path, (json.dumps(manifest, indent=2) + "\n").encode())

    def refuse_strangers(self) -> None:
        """Refuse a folder that is used for something else.

        Raises:
            UserError: if it is no folder, or holds files but no study.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder with --study")
        if not self.exists and self.folder.is_dir():
            strangers = [path.name for path in self.folder.iterdir() if path.name != "lock"]
            if strangers:
                raise UserError(
                    f"{self.folder} is not empty and holds no study (found {strangers[0]!r}); "
                    "give an empty or new folder with --study"
                )

    @property
    def in_use(self) -> bool:
        """Whether a run holds the folder at this moment, on this machine or over its storage."""
        lock = self.folder / "lock"
        if not lock.exists():
            return False
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; the kernel lets go of it when the process ends.

        Raises:
            UserError: if another run holds it, with that run's process and host.
        """
        made = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / "lock"
        with lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise UserError(
                    f"{self.folder} is in use by {holder}; wait for it, stop it, "
                    "or give another folder with --study"
                ) from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            try:
                yield
            finally:
                if not self.exists and [path.name for path in self.folder.iterdir()] == ["lock"]:
                    lock.unlink()  # the run was refused before it began: leave nothing behind
                    with contextlib.suppress(OSError):  # not empty: another study came to be
                        for path in made:
                            path.rmdir()

    def record(self, record: TrialRecord) -> None:
        """Keep a trial: its row last, after which only a failed one needs its checkpoints."""
        trial_id = record.spec.trial_id
        if record.curves is not None:
            write_atomic(self.curves / f"{trial_id}.parquet", to_parquet(record.curves))
        if record.model is not None:
            write_atomic(self.models / f"{trial_id}.safetensors", record.model)
        if record.samples is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **record.samples)
            write_atomic(self.samples / f"{trial_id}.npz", buffer.getvalue())
        write_atomic(self.trials / f"{trial_id}.parquet", to_parquet(record.row()))
        if record.result.status is not Status.FAILED:
            shutil.rmtree(self.checkpoints / trial_id, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove checkpoints of finished trials: a worker outlived its killed run by a moment."""
        for trial_id in self.finished():
            shutil.rmtree(self.checkpoints / trial_id, ignore_errors=True)

    def rows(self) -> pa.Table:
        """Read all rows, in the order the trials finished.

        A row that cannot be read (which only damage to the disk can cause) is left out, so that
        its trial is trained again; `damaged()` names it.
        """
        tables = [table for _, table in self._read_rows() if table is not None]
        if not tables:
            return TRIAL_SCHEMA.empty_table()
        return pa.concat_tables(tables).sort_by([("finished_at", "ascending")])

    def damaged(self) -> list[Path]:
        """List the rows that cannot be read."""
        return [path for path, table in self._read_rows() if table is None]

    def row(self, trial_id: str) -> dict[str, Any] | None:
        """Read one trial's row; None if it has none that can be read."""
        table = read_row(self.trials / f"{trial_id}.parquet")
        return None if table is None else dict(table.to_pylist()[0])

    def finished(self) -> set[str]:
        """List the ids of trials that need not be trained: all that have a row and an answer."""
        return set(self.errors())

    def errors(self) -> dict[str, float]:
        """Give the `train_sse` that each finished trial ended with; NaN for one that diverged."""
        rows = self.rows().select(["trial_id", "status", "train_sse"]).to_pylist()
        return {
            row["trial_id"]: math.nan if row["status"] == Status.DIVERGED else row["train_sse"]
            for row in rows
            if row["status"] != Status.FAILED
        }

    def curve(self, trial_id: str) -> pa.Table:
        """Read one trial's curves; empty if it has none that can be read."""
        path = self.curves / f"{trial_id}.parquet"
        table = read_table(path) if path.exists() else None
        return CURVE_SCHEMA.empty_table() if table is None else table

    def sample(self, trial_id: str) -> dict[str, np.ndarray]:
        """Read one trial's sample images; empty if it has none that can be read."""
        path = self.samples / f"{trial_id}.npz"
        if not path.exists():
            return {}
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            logger.warning("%s cannot be read: %s", path, error)
            return {}

    def _read_rows(self) -> Iterator[tuple[Path, pa.Table | None]]:
        for path in sorted(self.trials.glob("*.parquet")):
            yield path, read_row(path)


def _upgrade(manifest: dict[str, Any]) -> dict[str, Any]:
    """Bring what an older version wrote to the present form."""
    if manifest.get("schema_version") != 1:
        return manifest
    kept = {key: value for key, value in manifest.items() if key not in ("dataset", "setting")}
    setting = manifest.get("setting")
    if isinstance(setting, dict):  # which was of the only data set
        setting = {name: value for name, value in setting.items() if name != "dataset"}
        kept["settings"] = {manifest.get("dataset"): setting}
    return {"waiting": [], **kept}


def now() -> datetime:
    """Give the present moment, in UTC."""
    return datetime.now(UTC)
