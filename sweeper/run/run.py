"""One run of a study: lock its folder, train what is missing, account for it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweeper.backends import check_backend, open_backend
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import INTERRUPTED
from sweeper.messages import Backend, Broadcast, Job, Listener, Noted, Preparing
from sweeper.options import STUDIES_FOLDER, RunOptions, parse_place
from sweeper.planning.compilation import check_compile, settle_compile
from sweeper.planning.memory import check_memory
from sweeper.planning.missing import Work, missing_trials
from sweeper.planning.pack_size import pack_size
from sweeper.planning.repair import plan_repair
from sweeper.run.compacting import Compacting
from sweeper.run.feed import Feed
from sweeper.run.interruption import EXIT_INTERRUPTED, Interruption
from sweeper.run.record import RunRecord, RunSummary
from sweeper.run.tally import Tally
from sweeper.studies.base import Plan
from trainer.errors import UserError


def folder_of(plan: Plan, options: RunOptions) -> str:
    """Return the place of a plan's study: as asked for, or its name below `studies/`.

    Raises:
        UserError: if it is none that can be used.
    """
    place = STUDIES_FOLDER / plan.folder if options.folder is None else options.folder
    return parse_place(str(place))


def run_study(plan: Plan, options: RunOptions, listen: Listener = lambda event: None) -> RunSummary:
    """Train what the study's ledger lacks.

    Args:
        plan: the study.
        options: where and with what it is run.
        listen: hears what happens.

    Raises:
        UserError: if the folder, the device or the backend cannot be used; nothing was trained.
        KeyboardInterrupt: at the second signal; nothing that was saved is lost.
    """
    check_compile(options, check_backend(options))
    ledger = Ledger(folder_of(plan, options))
    # Refuses another question, or too large a network, before the folder is touched.
    check_memory(plan, missing_trials(plan, ledger), options)
    with ledger.locked():
        for name in ledger.recover():
            path = ledger.trials.at(name)
            listen(Noted(f"{path} cannot be read; what it held is trained again"))
        work = _repair(plan, ledger, options, listen)
        for reason in work.proposal.impossible:
            listen(Noted(reason))
        if not work.missing:
            return RunSummary(outcome="done", reused=work.reused)
        return _Run(ledger, plan, options, Broadcast(listen), work).run()


def _repair(plan: Plan, ledger: Ledger, options: RunOptions, listen: Listener) -> Work:
    """Set aside what is damaged and can be trained again; return what there is to train."""
    listen(Preparing("checking the files of finished trials"))
    repair = plan_repair(missing_trials(plan, ledger), ledger, options.repair)
    listen(Preparing(""))
    for note in repair.notes:
        listen(Noted(note))
    if repair.again:
        ledger.set_aside(repair.again)
    return missing_trials(plan, ledger)


@dataclass
class _Run:
    """A run under way."""

    ledger: Ledger
    plan: Plan
    options: RunOptions
    events: Broadcast
    work: Work
    """As it was when the run began."""
    record: RunRecord = field(init=False)
    tally: Tally = field(default_factory=Tally)
    workers: int = 1
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.record = RunRecord(self.ledger, self.plan, self.options)

    def run(self) -> RunSummary:
        interruption = Interruption(self.announce_stop, self.leave)
        with interruption.watching():
            self.train(interruption)
        return self.close(stopped=interruption.stop.is_set())

    def train(self, interruption: Interruption) -> None:
        self.events(Preparing("starting the workers"))
        backend = open_backend(self.options, self.leave)
        interruption.listen()  # again: a backend may take the signals over
        try:
            feed, job = self.prepare(backend)
            compacting = Compacting(self.ledger, self.events)
            for listener in (self.tally.on_event, feed.on_event, compacting.on_event):
                self.events.subscribe(listener)
            backend.run(feed, job, self.events, interruption.stop)
        except KeyboardInterrupt:
            self.close_if_possible()
            raise
        except UserError:  # the cluster cannot train them
            self.record.close(self.summary("failed"))
            raise
        except Exception:
            if not interruption.stop.is_set():
                raise
            # The signal went to Ray's own processes too, which ended before ours.
            self.leave()
        finally:
            backend.close()

    def prepare(self, backend: Backend) -> tuple[Feed, Job]:
        """Settle what depends on the backend, and write the run's entry."""
        self.workers = backend.workers
        most = pack_size(
            self.options, self.plan, self.work, device=backend.device, workers=backend.workers
        )
        self.events(Preparing("compiling the training step"))
        wish, note = settle_compile(self.options, self.work, backend.device, most)
        self.events(Preparing(""))
        self.record.open(device=backend.device, workers=backend.workers, pack=most)
        for text in [*backend.notes, *([note] if note else [])]:
            self.events(Noted(text))
        feed = Feed(
            self.plan,
            self.ledger,
            self.record,
            self.events,
            max_pack=most,
            workers=backend.workers,
        )
        return feed, self.job(backend.device, wish)

    def job(self, device: str, wish: bool | None) -> Job:
        # Workers on other machines do not have this process's environment or folder.
        data_dir = self.options.data_dir or os.environ.get("SWEEPER_DATA")
        return Job(
            study=self.plan.study,
            folder=self.ledger.folder.address,
            run=uuid.uuid4().hex[:8],
            datasets={dataset.name: dataset.sha256 for dataset in self.plan.datasets},
            options=replace(
                self.options,
                folder=self.ledger.folder.address,
                device=device,
                data_dir=Path(data_dir).resolve() if data_dir else None,
                compile=wish,
            ),
        )

    def close(self, *, stopped: bool) -> RunSummary:
        work = missing_trials(self.plan, self.ledger)
        for reason in work.proposal.impossible:
            if reason not in self.work.proposal.impossible:
                self.events(Noted(reason))
        complete = not work.missing and not work.proposal.later
        summary = self.summary("done" if complete else INTERRUPTED if stopped else "failed")
        self.record.ask(work)
        self.record.close(summary)
        return summary

    def announce_stop(self) -> None:
        self.events(Noted("stopping: trials in training save their state (again to leave at once)"))

    def leave(self, lost: str = "the workers") -> None:
        """End the process, from any thread: the backend has died, and calls to it may hang."""
        try:
            self.close_if_possible()
            self.events(
                Noted(
                    f"interrupted, with {lost} gone: trials go on from their last checkpoints; "
                    f"run the same command again:\n  {self.options.command}"
                )
            )
        finally:
            os._exit(EXIT_INTERRUPTED)

    def close_if_possible(self) -> None:
        """Account for a run that was cut short; one that cannot is known to have been killed."""
        with contextlib.suppress(OSError):  # what died may have been what had the storage
            self.record.close(self.summary(INTERRUPTED))

    def summary(self, outcome: str) -> RunSummary:
        wall, trial_seconds = time.monotonic() - self.began, self.tally.trial_seconds
        complete = outcome == "done" and trial_seconds > 0
        return RunSummary(
            outcome=outcome,
            trained=self.tally.trained,
            reused=self.work.reused,
            failed=self.tally.failed,
            wall_seconds=wall,
            trial_seconds=trial_seconds,
            overhead=wall / (trial_seconds / self.workers) if complete else None,
        )
