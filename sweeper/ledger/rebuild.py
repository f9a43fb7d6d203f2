"""A lost or damaged `study.json`, rebuilt from the rows of the trials, which carry their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from sweeper.ledger.manifest import (
    MANIFEST,
    DamagedManifestError,
    Manifest,
    read_manifest,
    settings_of,
    write_manifest,
)
from trainer.errors import UserError
from trainer.files import Folder, content_name
from trainer.spec import TrialSpec


def read_or_rebuild(
    folder: Folder, rows: Callable[[], pa.Table], begun: Callable[[], Iterable[str]]
) -> Manifest:
    """Read a study's manifest or, if it is lost or damaged, rebuild it from the rows.

    Args:
        folder: the study's.
        rows: reads its rows.
        begun: lists the trials that have checkpoints.

    Raises:
        UserError: if there are no rows either, or it is of a newer schema.
        OSError: if it cannot be read.
    """
    try:
        return read_manifest(folder)
    except FileNotFoundError:
        why = f"{folder.at(MANIFEST)} is lost"
        refusal = f"{folder} holds no study (no {MANIFEST}); see `sweeper list`"
    except DamagedManifestError as error:
        why = str(error)
        refusal = f"{error}; restore it, or move its folder away and run the study again"
    rebuilt = rebuild_manifest(rows(), begun(), why)
    if rebuilt is None:
        raise UserError(refusal)
    return rebuilt


def restore(folder: Folder, aside: Folder, manifest: Manifest) -> None:
    """Write a manifest that was rebuilt; what is left of the damaged one is kept in `aside`."""
    if not manifest.rebuilt:
        return
    if folder.has(MANIFEST):
        content = folder.read(MANIFEST)
        aside.write(content_name("study", content, ".json"), content)
    write_manifest(folder, manifest)


def rebuild_manifest(rows: pa.Table, begun: Iterable[str], why: str) -> Manifest | None:
    """Rebuild what rows can tell of their study; None if there are none.

    Args:
        rows: of `TRIAL_SCHEMA`, in the order the trials finished.
        begun: the ids of trials that have checkpoints.
        why: what became of `study.json`, as a sentence without its full stop.
    """
    if not len(rows):
        return None
    columns = ["trial_id", "study", "dataset", "parent", "spec"]
    trials = rows.select(columns).to_pylist()
    settings: dict[str, dict[str, Any]] = {}
    for trial in trials:
        settings.setdefault(trial["dataset"], {})
        # A trial that follows from another differs from what was asked for.
        if not settings[trial["dataset"]] and trial["parent"] is None:
            settings[trial["dataset"]] = settings_of(TrialSpec.from_json(trial["spec"]))
    asked = dict.fromkeys([*(trial["trial_id"] for trial in trials), *begun])
    return Manifest(
        study=trials[-1]["study"],
        settings=settings,
        request={},
        asked=tuple(asked),
        rebuilt=f"{why}; what the rows of {len(trials)} trials tell is used instead: the runs so "
        "far, and trials asked for that were never begun, are not known",
    )
