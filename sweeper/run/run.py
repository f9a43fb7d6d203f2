"""One run of a study: lock, train what is missing, account."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.backends import open_backend
from sweeper.backends.base import Backend
from sweeper.cli.trials_table import Display
from sweeper.ledger.ledger import Ledger
from sweeper.messages import Job
from sweeper.planning.compilation import settle_compile
from sweeper.planning.missing import Work, outstanding
from sweeper.planning.pack_size import pack_size
from sweeper.planning.packs import form_packs
from sweeper.run.compacting import Binding
from sweeper.run.interruption import EXIT_INTERRUPTED, Interruption
from sweeper.run.record import RunOptions, RunRecord, RunSummary
from sweeper.studies.base import StudyPlan
from trainer.errors import UserError


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
        for name in ledger.tidy():
            display.note(f"{ledger.trials.at(name)} cannot be read; what it held is trained again")
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
    compile: bool | None = False
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.record = RunRecord(self.ledger, self.plan, self.options)

    def train(self, interruption: Interruption) -> None:
        with self.display.waiting("starting the workers"):
            backend = open_backend(self.options, self.leave)
        interruption.listen()
        try:
            self.workers = backend.workers
            self.pack = pack_size(
                self.options, self.plan, self.work, device=backend.device, workers=backend.workers
            )
            with self.display.waiting("compiling the training step"):
                self.compile, note = settle_compile(
                    self.options, self.work, backend.device, self.pack
                )
            self.record.open(device=backend.device, workers=backend.workers, pack=self.pack)
            for text in [*backend.notes, *([note] if note else [])]:
                self.display.note(text)
            self._rounds(backend, interruption)
        except KeyboardInterrupt:
            self._close_if_possible()
            raise
        except UserError:  # the cluster cannot train them
            self.record.close(self._summary("failed"))
            raise
        except Exception:
            if not interruption.stop.is_set():
                raise
            # The signal went to Ray's own processes too, which ended before ours.
            self.leave()
        finally:
            backend.close()

    def _rounds(self, backend: Backend, interruption: Interruption) -> None:
        """Train what can be named; then what has got a name by that, until nothing is left."""
        job, work = self._job(backend), self.work
        listener = Binding(self.ledger, self.display)
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
                backend.run(packs, job, listener, interruption.stop)
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

    def leave(self, lost: str = "the workers") -> None:
        """End the process, from any thread: the backend has died, and calls to it may hang."""
        try:
            self._close_if_possible()
            self.display.note(
                f"interrupted, with {lost} gone: trials go on from their last checkpoints; "
                f"run the same command again:\n  {self.options.command}"
            )
        finally:
            os._exit(EXIT_INTERRUPTED)

    def _close_if_possible(self) -> None:
        """Account for a run that was cut short; one that cannot is known for killed."""
        with contextlib.suppress(OSError):  # what died may have been what had the storage
            self.record.close(self._summary("interrupted"))

    def _job(self, backend: Backend) -> Job:
        # Workers on other machines do not have this process's environment or folder.
        data = self.options.data_dir or os.environ.get("SWEEPER_DATA")
        return Job(
            study=self.plan.study,
            folder=self.ledger.folder.address,
            run=uuid.uuid4().hex[:8],
            device=backend.device,
            data_dir=str(Path(data).resolve()) if data else None,
            checkpoint_seconds=self.options.checkpoint_seconds,
            strict_float32=self.options.strict_float32,
            compile=self.compile,
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
