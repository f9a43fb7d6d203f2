"""Ray Tune asks here for the next pack."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from sweeper.messages import Pack, PackSource
from trainer.spec import TrialSpec


def configuration(pack: Pack) -> dict[str, Any]:
    """Write a pack as the configuration of one of Tune's trials."""
    specs = [spec.to_json() for spec in pack.specs]
    return {"title": pack.title, "specs": specs, "parents": dict(pack.parents)}


def pack_of(configuration: dict[str, Any]) -> Pack:
    """Read what `configuration` wrote."""
    specs = tuple(TrialSpec.from_json(text) for text in configuration["specs"])
    return Pack(specs, configuration["parents"])


class PackSearcher(Searcher):
    """Tune's source of trials: each pack is the configuration of one of them.

    Args:
        source: knows what to train.
        stop: once set, nothing more is given.
    """

    def __init__(self, source: PackSource, stop: threading.Event) -> None:
        super().__init__()
        self._source = source
        self._stop = stop
        self.packs: dict[str, Pack] = {}
        """Those in training or waiting for a worker, by the id of Tune's trial."""

    def suggest(self, trial_id: str) -> Any:
        """Return the next pack's configuration, None to be asked again, or FINISHED."""
        if self._stop.is_set():
            return Searcher.FINISHED
        pack = self._source.next_pack()
        if pack is None:
            return Searcher.FINISHED if self._source.exhausted else None
        self.packs[trial_id] = pack
        return configuration(pack)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher for a resume of its own, which is not used

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: what a trial came to is in the ledger, where the source reads it."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing, as an empty file, which Tune moves: a run goes on from its ledger."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""
