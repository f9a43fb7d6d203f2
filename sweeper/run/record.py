"""A run's entry in `study.json`: written when it starts, so that one that is killed shows too."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

from sweeper.environment import git_commit, hardware, package_versions
from sweeper.ledger.ledger import Ledger, now
from sweeper.ledger.manifest import KILLED, RUNNING
from sweeper.options import RunOptions
from sweeper.planning.missing import Work, widened
from sweeper.run.parent import report_to_parent
from sweeper.studies.base import Plan


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did."""

    outcome: str
    """`done`, `interrupted` or `failed` (some trial failed)."""
    trained: int = 0
    reused: int = 0
    failed: int = 0
    wall_seconds: float = 0.0
    trial_seconds: float = 0.0
    overhead: float | None = None
    """Wall time over (summed trial seconds over workers); None unless all was trained."""


class RunRecord:
    """The entry of one run in its study's manifest."""

    def __init__(self, ledger: Ledger, plan: Plan, options: RunOptions) -> None:
        self._ledger = ledger
        before: dict[str, Any] = ledger.manifest() if ledger.exists else {}
        runs = [
            run | {"outcome": KILLED} if run["outcome"] == RUNNING else run
            for run in before.get("runs", [])
        ]
        self._entry: dict[str, Any] = {
            "command": options.command,
            "budget": plan.budget,
            "started_at": now().isoformat(),
            "finished_at": None,
            "outcome": RUNNING,
            "backend": options.backend,
            "hardware": hardware(),
            "host": platform.node(),
            "versions": package_versions(),
            "git_commit": git_commit(),
        }
        self._manifest: dict[str, Any] = {
            "study": plan.study,
            "settings": before.get("settings", {}) | dict(plan.settings),
            "request": widened(before.get("request", {}), plan),
            "asked": before.get("asked", []),
            "waiting": before.get("waiting", []),
            "runs": [*runs, self._entry],
        }
        self._own_keys = {trial.key for trial in plan.propose({}).later}
        report_to_parent(folder=ledger.folder.address, started_at=self._entry["started_at"])

    def open(self, *, device: str, workers: int, pack: int) -> None:
        """Write the entry of a run that begins."""
        self._entry.update(device=device, workers=workers, pack=pack)
        self._ledger.write_manifest(self._manifest)

    def ask(self, work: Work) -> None:
        """Write which trials are asked for, as far as they can be named, if that has changed."""
        asked = [*self._manifest["asked"], *(spec.trial_id for spec in work.proposal.specs)]
        later = {trial.key for trial in work.proposal.later}
        self._own_keys |= later
        others = set(self._manifest["waiting"]) - self._own_keys
        now_asked = {"asked": list(dict.fromkeys(asked)), "waiting": sorted(others | later)}
        if now_asked.items() <= self._manifest.items():
            return
        self._ledger.write_manifest(self._manifest | now_asked)
        self._manifest |= now_asked

    def close(self, summary: RunSummary) -> None:
        """Write how the run ended."""
        self._entry.update(asdict(summary), finished_at=now().isoformat())
        self._ledger.write_manifest(self._manifest)
