"""One run of a study: plan, lock, train what is missing, account, report."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from sweeper.backends import open_backend
from sweeper.backends.base import Backend
from sweeper.display import Display
from sweeper.environment import git_commit, hardware, package_versions
from sweeper.job import Job
from sweeper.ledger import Ledger, now
from sweeper.plan import Work, outstanding, widened
from sweeper.study import StudyPlan


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How, where and with what a study is run; its results do not depend on it."""

    folder: Path
    command: str
    """As typed, for the record and to say how to go on."""
    backend: str = "ray"
    address: str | None = None
    device: str = "auto"
    workers: int | None = None
    data_dir: Path | None = None


@dataclass(frozen=True)
class RunSummary:
    """What a run did."""

    outcome: str
    """`done`, `interrupted` or `failed` (some trial failed)."""
    trained: int
    reused: int
    failed: int
    wall_seconds: float
    trial_seconds: float
    overhead: float | None
    """Wall time over (summed trial seconds over workers); None if nothing was trained."""


def run_study(plan: StudyPlan, options: RunOptions, display: Display) -> RunSummary:
    """Train what the study's ledger lacks.

    Raises:
        UserError: if the folder, the device or the backend cannot be used; nothing was trained.
    """
    ledger = Ledger(options.folder)
    outstanding(plan, ledger)  # refuses before the folder is touched
    with ledger.locked():
        work = outstanding(plan, ledger)
        for path in ledger.damaged():
            display.note(f"{path} cannot be read; its trial is trained again")
        ledger.remove_leftovers()
        if not work.missing:
            return RunSummary("done", 0, work.reused, 0, 0.0, 0.0, None)
        began = time.monotonic()
        with display.waiting("starting the workers"):
            backend = open_backend(options)
        try:
            record = _Record(ledger, plan, options, backend.device)
            outcome = _train(plan, work, options, backend, display)
        finally:
            backend.close()
        return record.close(
            _summary(outcome, work, display, time.monotonic() - began, backend.workers),
            workers=backend.workers,
        )


def _train(
    plan: StudyPlan, work: Work, options: RunOptions, backend: Backend, display: Display
) -> str:
    job = Job(
        study=plan.study,
        folder=str(options.folder.resolve()),
        device=backend.device,
        data_dir=str(options.data_dir.resolve()) if options.data_dir else None,
    )
    for note in backend.notes:
        display.note(note)
    with _stop_on_signal(display) as stop, display.showing(work.missing, backend.workers):
        backend.run(work.missing, job, display, stop)
    if stop.is_set():
        return "interrupted"
    return "failed" if display.failures else "done"


def _summary(outcome: str, work: Work, display: Display, wall: float, workers: int) -> RunSummary:
    trial_seconds = display.trial_seconds
    complete = outcome == "done" and trial_seconds > 0
    return RunSummary(
        outcome=outcome,
        trained=display.trained,
        reused=work.reused,
        failed=display.failures,
        wall_seconds=wall,
        trial_seconds=trial_seconds,
        overhead=wall / (trial_seconds / workers) if complete else None,
    )


class _Record:
    """The run's entry in `study.json`: there from its start, so that one that is killed shows."""

    def __init__(self, ledger: Ledger, plan: StudyPlan, options: RunOptions, device: str) -> None:
        self._ledger = ledger
        before: dict[str, Any] = ledger.manifest() if ledger.exists else {}
        runs = [
            run | {"outcome": "killed"} if run["outcome"] == "running" else run
            for run in before.get("runs", [])
        ]
        self._entry: dict[str, Any] = {
            "command": options.command,
            "started_at": now().isoformat(),
            "finished_at": None,
            "outcome": "running",
            "backend": options.backend,
            "device": device,
            "hardware": hardware(),
            "versions": package_versions(),
            "git_commit": git_commit(),
        }
        self._manifest: dict[str, Any] = {
            "study": plan.study,
            "dataset": plan.dataset.name,
            "setting": plan.setting,
            "request": widened(before.get("request", {}), plan),
            "runs": [*runs, self._entry],
        }
        ledger.write_manifest(self._manifest)

    def close(self, summary: RunSummary, *, workers: int) -> RunSummary:
        self._entry.update(vars(summary), workers=workers, finished_at=now().isoformat())
        self._ledger.write_manifest(self._manifest)
        return summary


@contextmanager
def _stop_on_signal(display: Display) -> Iterator[threading.Event]:
    """Let the first Ctrl-C or SIGTERM stop the run cleanly, and the second at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        display.note("stopping: trials in training save their state (again to leave at once)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
