"""In this process, one trial after the other: for tests, debugging, and where Ray is too much."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence

from sweeper.backends.base import ATTEMPTS, Listener, fail
from sweeper.job import Finished, Job, Progress
from sweeper.worker import run_trial
from trainer.loop import Interrupted
from trainer.spec import TrialSpec

REPORT_SECONDS = 1.0


class LocalBackend:
    """The backend without Ray."""

    workers = 1

    def __init__(self, device: str) -> None:
        self.device = device

    @property
    def notes(self) -> list[str]:
        """Nothing to say."""
        return []

    def run(
        self, specs: Sequence[TrialSpec], job: Job, listener: Listener, stop: threading.Event
    ) -> None:
        """Train the trials in their order; see `Backend.run`."""
        for spec in specs:
            if stop.is_set():
                return
            listener.started(spec)
            try:
                outcome = _try(spec, job, listener, stop)
            except Interrupted:
                return
            if isinstance(outcome, str):
                fail(spec, job, outcome, listener)
            else:
                listener.finished(spec, outcome)

    def close(self) -> None:
        """Nothing is held."""


def _try(spec: TrialSpec, job: Job, listener: Listener, stop: threading.Event) -> Finished | str:
    """Train a trial, again where it raises; gives the error of the last attempt."""
    last_report = 0.0

    def report(progress: Progress) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= REPORT_SECONDS:
            last_report = time.monotonic()
            listener.progressed(spec, progress)

    error = ""
    for _ in range(ATTEMPTS):
        try:
            return run_trial(spec, job, report, stop.is_set)
        except Interrupted:
            raise
        except Exception as caught:
            error = "".join(traceback.format_exception_only(caught)).strip()
    return error
