"""A lost or damaged `study.json`, rebuilt from the rows of the trials, which carry their specs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from sweeper.ledger.manifest import Manifest, settings_of
from trainer.spec import TrialSpec


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
