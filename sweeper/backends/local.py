"""In this process, one trial after the other: for tests, debugging, and where Ray is too much."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence

from sweeper.backends.base import ATTEMPTS, Listener, fail
from sweeper.messages import Job, Progress
from sweeper.planning.packs import Packs
from sweeper.worker.worker import Telling, run_pack
from trainer.spec import TrialSpec
from trainer.training.loop import Interrupted

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

    def run(self, packs: Packs, job: Job, listener: Listener, stop: threading.Event) -> None:
        """Train the packs in their order; see `Backend.run`."""
        for pack in packs:
            if stop.is_set():
                return
            for spec in pack:
                listener.started(spec)
            try:
                error = _try(pack, job, listener, stop)
            except Interrupted:
                return
            if error:
                fail(pack, job, error, listener)

    def close(self) -> None:
        """Nothing is held."""


def _try(pack: Sequence[TrialSpec], job: Job, listener: Listener, stop: threading.Event) -> str:
    """Train a pack, again where it raises; gives the error of the last attempt, or nothing."""
    last_report: dict[str, float] = {}

    def report(spec: TrialSpec, progress: Progress) -> None:
        if time.monotonic() - last_report.get(spec.trial_id, 0.0) >= REPORT_SECONDS:
            last_report[spec.trial_id] = time.monotonic()
            listener.progressed(spec, progress)

    telling = Telling(
        progress=report,
        finished=listener.finished,
        note=listener.note,
        should_stop=stop.is_set,
    )
    error = ""
    for _ in range(ATTEMPTS):
        try:
            run_pack(pack, job, telling)
            return ""
        except Interrupted:
            raise
        except Exception as caught:
            error = "".join(traceback.format_exception_only(caught)).strip()
            if stop.is_set():  # Ctrl-C ends a compiler too, which is no fault of the trial's
                raise Interrupted from caught
    return error
