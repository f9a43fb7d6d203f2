"""A run's entry in `study.json`: written when it starts, so that one that is killed shows too."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, replace

from sweeper.environment import git_commit, hardware, package_versions
from sweeper.ledger.ledger import Ledger, now
from sweeper.ledger.manifest import KILLED, RUNNING, Manifest, RunEntry
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
        self._entry = RunEntry(
            command=options.command,
            budget=plan.budget,
            started_at=now(),
            outcome=RUNNING,
            backend=options.backend,
            hardware=hardware(),
            host=platform.node(),
            versions=package_versions(),
            git_commit=git_commit(),
        )
        before = ledger.manifest() if ledger.exists else _nothing_asked(plan)
        self._manifest = replace(
            before,
            settings={**before.settings, **plan.settings},
            request=widened(before.request, plan),
            runs=tuple(map(_ended, before.runs)),
        )
        self._own_keys = {trial.key for trial in plan.propose({}).later}
        started_at = self._entry.started_at.isoformat()
        report_to_parent(folder=ledger.folder.address, started_at=started_at)

    def open(self, *, device: str, workers: int, pack: int) -> None:
        """Write the entry of a run that begins."""
        self._entry = replace(self._entry, device=device, workers=workers, pack=pack)
        self._write(self._manifest)

    def ask(self, work: Work) -> None:
        """Write which trials are asked for, as far as they can be named, if that has changed."""
        before = self._manifest
        asked = [*before.asked, *(spec.trial_id for spec in work.proposal.specs)]
        later = {trial.key for trial in work.proposal.later}
        self._own_keys |= later
        others = set(before.waiting) - self._own_keys
        wanted = replace(
            before, asked=tuple(dict.fromkeys(asked)), waiting=tuple(sorted(others | later))
        )
        if wanted != before:
            self._write(wanted)
            self._manifest = wanted

    def close(self, summary: RunSummary) -> None:
        """Write how the run ended."""
        self._entry = replace(self._entry, **asdict(summary), finished_at=now())
        self._write(self._manifest)

    def _write(self, manifest: Manifest) -> None:
        self._ledger.write_manifest(replace(manifest, runs=(*manifest.runs, self._entry)))


def _nothing_asked(plan: Plan) -> Manifest:
    return Manifest(study=plan.study, settings={}, request={}, asked=())


def _ended(run: RunEntry) -> RunEntry:
    """Return the entry of an earlier run, which is not under way any more."""
    return replace(run, outcome=KILLED) if run.outcome == RUNNING else run
