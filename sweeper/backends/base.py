"""What a run asks of whatever executes its trials."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from sweeper.job import Finished, Job, Progress
from trainer.spec import TrialSpec

ATTEMPTS = 3
"""How often a trial that raises, or whose worker dies, is tried in one run."""


class Listener(Protocol):
    """Hears, in the process that called `Backend.run`, what happens to the trials."""

    def started(self, spec: TrialSpec) -> None:
        """Hear that a worker took the trial."""

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """Hear how far the trial is; at most about once a second."""

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        """Hear that the trial's row is in the ledger."""

    def failed(self, spec: TrialSpec, error: str) -> None:
        """Hear that it raised on its last attempt; its failure is in the ledger."""


class Backend(Protocol):
    """Executes trials."""

    @property
    def workers(self) -> int:
        """How many trials run at the same time."""

    @property
    def device(self) -> str:
        """Where trials are trained: `cpu` or `cuda`."""

    @property
    def notes(self) -> list[str]:
        """What the user should know before the run, a line each."""

    def run(
        self, specs: Sequence[TrialSpec], job: Job, listener: Listener, stop: threading.Event
    ) -> None:
        """Train all trials, in this order as workers get free.

        A trial that fails is tried again, then recorded as failed; the others go on. Returns when
        all have ended or, once `stop` is set, when those in training have saved their state.
        """

    def close(self) -> None:
        """Let go of what the backend holds."""
