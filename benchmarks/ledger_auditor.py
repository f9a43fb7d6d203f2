"""Checks a study's ledger from outside: what is lost, there twice, or changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from sweeper.ledger.ledger import Ledger

TIMES = ("seconds", "steps_per_second", "started_at", "finished_at", "attempts")
"""What may differ between two trainings of the same trial."""


class LedgerAuditor:
    """Checks that a finished trial's row, once seen, neither goes nor changes.

    The row of a trial that failed is none of these: the next run replaces it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        """The rows of trials that failed, by trial."""
        self.lost: set[str] = set()
        self.changed: set[str] = set()
        self.twice: set[str] = set()

    @property
    def seen(self) -> set[str]:
        """The trials that have finished."""
        return set(self._seen)

    def check(self) -> None:
        """Read the ledger as it is at this moment."""
        rows = Ledger(self._folder).rows().to_pylist()
        counts = Counter(row["trial_id"] for row in rows)
        self.twice.update(trial_id for trial_id, count in counts.items() if count > 1)
        now = {row["trial_id"]: repr(row) for row in rows}
        failed = {row["trial_id"] for row in rows if row["status"] == "failed"}
        self.failed = {trial_id: now.pop(trial_id) for trial_id in failed}
        self.lost.update(self._seen.keys() - now.keys())
        self.changed.update(
            trial_id for trial_id, row in self._seen.items() if now.get(trial_id, row) != row
        )
        self._seen = now | self._seen


def outcome(folder: Path) -> dict[tuple[str, str], str]:
    """Hash what a study keeps of its trials, less what may differ: by trial and kind."""
    ledger = Ledger(folder)
    found: dict[tuple[str, str], str] = {}
    for row in ledger.rows().to_pylist():
        trial_id = row["trial_id"]
        model = folder / "models" / f"{trial_id}.safetensors"
        samples = ledger.sample(trial_id)
        parts: dict[str, Any] = {
            "row": {name: value for name, value in row.items() if name not in TIMES},
            "curve": ledger.curve(trial_id).drop_columns(["seconds"]).to_pydict(),
            "model": model.read_bytes() if model.exists() else None,
            "samples": [(name, samples[name].tobytes()) for name in sorted(samples)],
        }
        for kind, content in parts.items():
            found[trial_id, kind] = hashlib.sha256(repr(content).encode()).hexdigest()
    return found
