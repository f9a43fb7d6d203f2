"""How workers, which may be on other machines, learn that their run is to stop."""

from __future__ import annotations

import time
from pathlib import Path

POLL_SECONDS = 0.5


class StopFile:
    """A file `stop` in the study's folder, which all workers share.

    Called, it tells whether it is there; it looks only now and then, so it may be asked before
    every step.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stop"
        self._next_look = 0.0
        self._seen = False

    def write(self) -> None:
        """Ask the workers to stop."""
        self._path.touch()

    def clear(self) -> None:
        """Take the request back, at a run's beginning and end."""
        self._path.unlink(missing_ok=True)

    def __call__(self) -> bool:
        """Tell whether to stop."""
        if not self._seen and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + POLL_SECONDS
            self._seen = self._path.exists()
        return self._seen
