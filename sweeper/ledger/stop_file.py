"""How workers, which may be on other machines, learn that their run is to stop."""

from __future__ import annotations

import time

from trainer.files import Folder

PREFIX = "stop-"

POLL_SECONDS = 0.5


class StopFile:
    """A file in the study's folder, which all workers of a run share.

    It has the run's name: a run that has lost its folder to another does not stop that one.
    Calling it returns whether it is there; the folder is read only now and then, so that it may
    be called before every step.
    """

    def __init__(self, folder: Folder, run: str) -> None:
        self._folder = folder
        self._name = PREFIX + run
        self._next_read = 0.0
        self._seen = False

    def write(self) -> None:
        """Ask the workers to stop."""
        self._folder.write(self._name, b"")

    def clear(self) -> None:
        """Withdraw the request, at a run's end."""
        self._folder.remove(self._name)

    def __call__(self) -> bool:
        """Return whether to stop."""
        if not self._seen and time.monotonic() >= self._next_read:
            self._next_read = time.monotonic() + POLL_SECONDS
            self._seen = self._folder.has(self._name)
        return self._seen
