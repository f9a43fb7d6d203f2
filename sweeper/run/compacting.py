"""Binding finished trials into volumes while a run goes on.

That takes the memory of 500 trials' curves, which a process seldom gives back. So a run that lives
for days has it done by another: `python -m sweeper.run.compacting FOLDER`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweeper.ledger.ledger import VOLUME, Ledger
from sweeper.messages import Finished, Progress
from trainer.spec import TrialSpec

if TYPE_CHECKING:
    from sweeper.backends.base import Listener


class Binding:
    """Tells a listener what it hears, and binds whenever a volume's worth of trials has finished.

    A volume that cannot be written now, because the disk is full say, is written the next time:
    what it would hold is safe as it is.
    """

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        self._finished = 0

    def started(self, spec: TrialSpec) -> None:
        """Pass it on."""
        self._listener.started(spec)

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """Pass it on."""
        self._listener.progressed(spec, progress)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._listener.note(text)

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        """Pass it on, and bind now and then."""
        self._listener.finished(spec, outcome)
        self._finished += 1
        if self._finished % VOLUME == 0:
            said = bind_apart(self._ledger)
            if said:
                self._listener.note(f"finished trials stay in single files for now: {said}")

    def failed(self, spec: TrialSpec, error: str) -> None:
        """Pass it on."""
        self._listener.failed(spec, error)

    def broken(self, pack: Sequence[TrialSpec], error: str) -> None:
        """Pass it on."""
        self._listener.broken(pack, error)


def bind_apart(ledger: Ledger) -> str:
    """Bind in a process of its own; gives what went wrong, or nothing."""
    command = [sys.executable, "-m", "sweeper.run.compacting", ledger.folder.address]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # never written to: see `_end_with`
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the run, which waits for this
    ) as process:
        said = process.stderr.read() if process.stderr else ""
    lines = said.strip().splitlines() or [f"exit code {process.returncode}"]
    return lines[-1] if process.returncode else ""


def _end_with(parent: int) -> None:
    """End this process when the other end of a pipe closes: its run is no more, nor its lock."""
    os.read(parent, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    Ledger(sys.argv[1]).bind()
