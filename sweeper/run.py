"""One run of a study: lock, train what is missing, account."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.backends import open_backend
from sweeper.backends.base import Backend
from sweeper.display import Display
from sweeper.interruption import EXIT_INTERRUPTED, Interruption
from sweeper.job import Job
from sweeper.ledger import Ledger
from sweeper.packs import form_packs, usual_pack
from sweeper.plan import Work, outstanding
from sweeper.run_record import RunOptions, RunRecord, RunSummary
from sweeper.study import StudyPlan


def run_study(plan: StudyPlan, options: RunOptions, display: Display) -> RunSummary:
    """Train what the study's ledger lacks.

    Raises:
        UserError: if the folder, the device or the backend cannot be used; nothing was trained.
        KeyboardInterrupt: at the second signal; nothing that was saved is lost.
    """
    ledger = Ledger(options.folder)
    outstanding(plan, ledger)  # refuses before the folder is touched
    with ledger.locked():
        work = outstanding(plan, ledger)
        for path in ledger.damaged():
            display.note(f"{path} cannot be read; its trial is trained again")
        ledger.remove_leftovers()
        _tell_impossible(work, display)
        if not work.missing:
            return RunSummary(outcome="done", reused=work.reused)
        run = _Run(ledger, plan, options, display, work)
        interruption = Interruption(run.announce_stop, run.leave)
        with interruption.watching():
            run.train(interruption)
        return run.close(interruption.stop)


def _tell_impossible(work: Work, display: Display) -> None:
    for sequel in work.impossible:
        display.note(
            f"{sequel.first.dataset} width={sequel.width} seed={sequel.first.seed} cannot be "
            f"trained: its τ is the error of {sequel.first.label}, which diverged"
        )


@dataclass
class _Run:
    """A run under way."""

    ledger: Ledger
    plan: StudyPlan
    options: RunOptions
    display: Display
    work: Work
    record: RunRecord = field(init=False)
    workers: int = 1
    pack: int = 1
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.record = RunRecord(self.ledger, self.plan, self.options)

    def train(self, interruption: Interruption) -> None:
        with self.display.waiting("starting the workers"):
            backend = open_backend(self.options)
        interruption.listen()
        try:
            self.workers = backend.workers
            self.pack = self.options.pack or usual_pack(backend.device)
            self.record.open(device=backend.device, workers=backend.workers, pack=self.pack)
            for note in backend.notes:
                self.display.note(note)
            self._rounds(backend, interruption)
        except KeyboardInterrupt:
            self.record.close(self._summary("interrupted"))
            raise
        finally:
            backend.close()

    def _rounds(self, backend: Backend, interruption: Interruption) -> None:
        """Train what can be named; then what has got a name by that, until nothing is left."""
        job, work = self._job(backend), self.work
        tried: set[str] = set()
        alone: set[str] = set()
        while specs := [spec for spec in work.missing if spec.trial_id not in alone]:
            fresh = [spec for spec in specs if spec.trial_id not in tried]
            # What is left over of a pack that failed is tried alone, to find the one at fault.
            packs = form_packs(fresh, self.pack, self.workers)
            packs += tuple((spec,) for spec in specs if spec.trial_id in tried)
            alone.update(pack[0].trial_id for pack in packs if len(pack) == 1)
            tried.update(spec.trial_id for spec in specs)
            self.record.ask(work)
            with self.display.showing(fresh, work.waiting):
                backend.run(packs, job, self.display, interruption.stop)
            if interruption.stop.is_set():
                return
            interruption.listen()  # the backend may have let go of the signals
            work = outstanding(self.plan, self.ledger)
        self.record.ask(work)

    def close(self, stop: threading.Event) -> RunSummary:
        work = outstanding(self.plan, self.ledger)
        if len(work.impossible) > len(self.work.impossible):
            _tell_impossible(work, self.display)
        left = "interrupted" if stop.is_set() else "failed"
        summary = self._summary(left if work.missing or work.waiting else "done")
        self.record.close(summary)
        return summary

    def announce_stop(self) -> None:
        self.display.note("stopping: trials in training save their state (again to leave at once)")

    def leave(self) -> None:
        """Leave from another thread while this one is stuck in a backend that has died."""
        self.record.close(self._summary("interrupted"))
        self.display.note(
            "interrupted, with the workers gone: trials go on from their last checkpoints; "
            f"run the same command again:\n  {self.options.command}"
        )
        os._exit(EXIT_INTERRUPTED)

    def _job(self, backend: Backend) -> Job:
        # Workers on other machines do not have this process's environment or folder.
        data = self.options.data_dir or os.environ.get("SWEEPER_DATA")
        return Job(
            study=self.plan.study,
            folder=str(self.options.folder.resolve()),
            device=backend.device,
            data_dir=str(Path(data).resolve()) if data else None,
            checkpoint_seconds=self.options.checkpoint_seconds,
        )

    def _summary(self, outcome: str) -> RunSummary:
        wall = time.monotonic() - self.began
        trial_seconds = self.display.trial_seconds
        complete = outcome == "done" and trial_seconds > 0
        return RunSummary(
            outcome=outcome,
            trained=self.display.trained,
            reused=self.work.reused,
            failed=self.display.failures,
            wall_seconds=wall,
            trial_seconds=trial_seconds,
            overhead=wall / (trial_seconds / self.workers) if complete else None,
        )
