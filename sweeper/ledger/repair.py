"""Sets trials aside whose files are damaged or lost, so that they are trained again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.artifacts import Artifacts, curve_file, model_file, samples_file
from sweeper.ledger.compaction import Volumes
from sweeper.ledger.integrity import encode
from trainer.files import Folder

ASIDE = "damaged"
"""The folder of a study for what was set aside: in it, the same folders as in the study."""


def set_aside(
    study: Folder, artifacts: Artifacts, volumes: Volumes, trial_ids: Collection[str]
) -> None:
    """Move trials, with all that is left of them, into the study's folder `damaged/`.

    Their rows go last: if this is killed, the next run finds them and sets the trials aside again.

    Args:
        study: its folder, which this run holds.
        artifacts: its files.
        volumes: its volumes, none of them damaged.
        trial_ids: the trials.

    Raises:
        OSError: if something cannot be read, written or removed; no other trial is touched.
    """
    aside, trials = study.folder(ASIDE), study.folder("trials")
    for trial_id in trial_ids:
        _move(artifacts.models, model_file(trial_id), aside)
        _move(artifacts.samples, samples_file(trial_id), aside)
        _move(artifacts.curves, curve_file(trial_id), aside)
        _move(trials, f"{trial_id}.parquet", aside)
    for volume in volumes.names():
        rows = volumes.rows(volume)
        rows = rows.filter(pc.is_in(rows["trial_id"], pa.array(list(trial_ids), pa.string())))
        if len(rows):
            _copy_from(volume, rows, volumes, artifacts.curves, aside)
            volumes.write_without(volume, rows["trial_id"].to_pylist())


def _move(folder: Folder, name: str, aside: Folder) -> None:
    with contextlib.suppress(FileNotFoundError):
        aside.folder(folder.name).write(name, folder.read(name))
        folder.remove(name)


def _copy_from(
    volume: str, rows: pa.Table, volumes: Volumes, curves: Folder, aside: Folder
) -> None:
    """Copy rows of a volume, and their curves; of damaged curves the file as it is."""
    trial_ids = rows["trial_id"].to_pylist()
    for number, trial_id in enumerate(trial_ids):
        aside.folder("trials").write(f"{trial_id}.parquet", encode(rows.slice(number, 1)))
    try:
        for trial_id, curve in volumes.curves(volume, trial_ids).items():
            aside.folder(curves.name).write(curve_file(trial_id), encode(curve))
    except FileNotFoundError:
        return
    except ValueError:
        name = volumes.curves_name(volume)
        assert name is not None
        aside.folder(curves.name).write(name, curves.read(name))
