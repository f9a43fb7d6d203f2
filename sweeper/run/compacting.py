"""Compacting finished trials while a run goes on.

That takes the memory of 500 trials' curves, which a process seldom gives back. So a run that lasts
for days has it done by another process, `python -m sweeper.run.compacting`, which finds the study's
address in its environment: unlike a command line, no other user can read that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from sweeper.ledger.ledger import VOLUME, Ledger
from sweeper.messages import Ended, Event, Listener, Noted

ADDRESS = "SWEEPER_COMPACTED"


class Compacting:
    """Compacts the ledger whenever a volume's worth of trials has finished.

    A volume that cannot be written now, because the disk is full for example, is written the next
    time: the single files that it would replace are safe.
    """

    def __init__(self, ledger: Ledger, listen: Listener) -> None:
        self._ledger = ledger
        self._listen = listen
        self._finished = 0

    def on_event(self, event: Event) -> None:
        """Count trials that ended, and compact now and then."""
        if not isinstance(event, Ended):
            return
        self._finished += 1
        if self._finished % VOLUME == 0:
            problem = compact_in_child(self._ledger)
            if problem:
                self._listen(Noted(f"finished trials stay in single files for now: {problem}"))


def compact_in_child(ledger: Ledger) -> str:
    """Compact in a process of its own; return what went wrong, or nothing."""
    command = [sys.executable, "-m", "sweeper.run.compacting"]
    # PYTHONSAFEPATH: not to import what lies in the current folder.
    told = {"PYTHONSAFEPATH": "1", ADDRESS: ledger.folder.address}
    with subprocess.Popen(
        command,
        env=os.environ | told,
        stdin=subprocess.PIPE,  # never written to: see `_end_with_parent`
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the run, which waits for this
    ) as process:
        errors = process.stderr.read() if process.stderr else ""
    lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
    return lines[-1] if process.returncode else ""


def _end_with_parent(pipe: int) -> None:
    """End this process when the other end of a pipe closes: the run has died, its lock is free."""
    os.read(pipe, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    Ledger(os.environ[ADDRESS]).compact()
