"""What a run asks of whatever executes its trials."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from sweeper.messages import Finished, Job, Progress
from sweeper.planning.packs import Packs
from sweeper.worker.worker import record_failure
from trainer.spec import TrialSpec

ATTEMPTS = 3
"""How often a trial that raises, or whose worker dies, is tried in one run; a pack likewise, and
then each of its trials alone. Ray counts anew where a trial got further before it failed again."""


TRIALS_PER_GPU = 4
"""How many trials share a GPU unless the user says otherwise."""


class Listener(Protocol):
    """Hears, in the process that called `Backend.run`, what happens to the trials."""

    def started(self, spec: TrialSpec) -> None:
        """Hear that a worker took the trial."""

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """Hear how far the trial is; at most about once a second."""

    def note(self, text: str) -> None:
        """Hear what went wrong with a trial without ending it, in one line."""

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        """Hear that the trial's row is in the ledger."""

    def failed(self, spec: TrialSpec, error: str) -> None:
        """Hear that it raised on its last attempt; its failure is in the ledger."""

    def broken(self, pack: Sequence[TrialSpec], error: str) -> None:
        """Hear that a pack of several raised on its last attempt."""


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

    def run(self, packs: Packs, job: Job, listener: Listener, stop: threading.Event) -> None:
        """Train all packs, in this order as workers get free.

        A pack that fails is tried again. A trial alone that still fails is recorded as failed;
        of a larger pack it is not known which one was at fault, so the listener is only told, and
        whoever runs the packs may try their trials alone. The others go on. Returns when all have
        ended or, once `stop` is set, when those in training have saved their state.
        """

    def close(self) -> None:
        """Let go of what the backend holds."""


def fail(pack: Sequence[TrialSpec], job: Job, error: str, listener: Listener) -> None:
    """Deal with a pack that raised on its last attempt; see `Backend.run`."""
    if len(pack) > 1:
        listener.broken(pack, error)
        return
    (spec,) = pack
    try:
        finished = record_failure(spec, job, error)
    except OSError as caught:  # a full disk must not end the others, which may yet find room
        listener.failed(spec, f"{error} (and that could not be recorded: {caught})")
        return
    if finished is None:
        listener.failed(spec, error)
    else:
        listener.finished(spec, finished)
