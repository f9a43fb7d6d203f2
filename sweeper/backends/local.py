"""In this process, one trial after the other: for tests, debugging, and where Ray is too much."""

from __future__ import annotations

import threading
import time
import traceback

from sweeper.messages import (
    REPORT_SECONDS,
    Broadcast,
    Ended,
    Job,
    Listener,
    Noted,
    Pack,
    PackSource,
    Progress,
    Progressed,
    Started,
)
from sweeper.options import ATTEMPTS
from sweeper.worker.failure import give_up
from sweeper.worker.worker import Reporter, run_pack
from trainer.spec import TrialSpec
from trainer.training.loop import Interrupted


class LocalBackend:
    """The backend without Ray."""

    workers = 1

    def __init__(self, device: str) -> None:
        self.device = device

    @property
    def notes(self) -> list[str]:
        return []

    def run(self, source: PackSource, job: Job, listen: Broadcast, stop: threading.Event) -> None:
        while not stop.is_set() and (pack := source.next_pack()) is not None:
            for spec in pack.specs:
                listen(Started(spec, len(pack.specs)))
            try:
                error = _try(pack, job, listen, stop)
            except Interrupted:
                return
            if error:
                listen(give_up(pack, job, error))

    def close(self) -> None:
        pass


def _try(pack: Pack, job: Job, listen: Listener, stop: threading.Event) -> str:
    """Train a pack, again where it raises; return the error of the last attempt, or nothing."""
    last_report: dict[str, float] = {}

    def report(spec: TrialSpec, progress: Progress) -> None:
        if time.monotonic() - last_report.get(spec.trial_id, 0.0) >= REPORT_SECONDS:
            last_report[spec.trial_id] = time.monotonic()
            listen(Progressed(spec, progress))

    reporter = Reporter(
        progress=report,
        ended=lambda spec, outcome: listen(Ended(spec, outcome)),
        note=lambda text: listen(Noted(text)),
        should_stop=stop.is_set,
    )
    error = ""
    for _ in range(ATTEMPTS):
        try:
            run_pack(pack, job, reporter)
            return ""
        except Interrupted:
            raise
        except Exception as caught:
            error = "".join(traceback.format_exception_only(caught)).strip()
            if stop.is_set():  # Ctrl-C ends a compiler too, which is no fault of the trial's
                raise Interrupted from caught
    return error
