"""What of a run is killed, and what has to become of the run."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from signal import SIGHUP, SIGKILL

from processes import RAY_PROCESSES, processes_of, workers_of

INTERRUPTED = 130
REFUSED = 2
"""Ray, of which a process died while it started, could not be started."""
ENDED = (0, 1)
"""By itself, a moment before; 1 if a trial was killed in each of its attempts."""

RAW_TEXT = re.compile(r"\.cc:\d|\[20\d\d-|Traceback")
"""What was not written by us: of Ray's C++, or of Python."""


@dataclass(frozen=True)
class Kind:
    """A kind of kill."""

    name: str
    exit_codes: tuple[int, ...] = ()
    """Those that the run may then end with; none if it has to go on."""
    signal: signal.Signals = SIGKILL

    @property
    def ends(self) -> bool:
        """Whether the run ends."""
        return bool(self.exit_codes)

    def victims(self, run: int) -> list[int]:
        """List the processes to kill; none if they are not there at this moment.

        Args:
            run: the command's process, which leads the run's session.
        """
        if self.name in ("driver", "hang-up"):
            return [run]
        if self.name == "everything":
            return list(processes_of(run))
        if self.name == "worker":
            return workers_of(run)
        words = RAY_PROCESSES[self.name]
        return [process for process, title in processes_of(run).items() if words in title]

    def kill(self, victims: list[int]) -> None:
        """Kill processes, those that are still there."""
        for victim in victims:
            try:
                os.kill(victim, self.signal)
            except ProcessLookupError:
                continue  # it was quicker


_LOST = (INTERRUPTED, REFUSED, *ENDED)

WORKER = Kind("worker")
KINDS = (
    WORKER,
    Kind("driver", (-SIGKILL, *ENDED)),
    Kind("everything", (-SIGKILL, *ENDED)),
    Kind("hang-up", (INTERRUPTED, -SIGHUP, *ENDED), SIGHUP),  # the latter while Python starts
    Kind("raylet", _LOST),
    Kind("gcs", _LOST),
    Kind("dashboard agent", _LOST),
    Kind("runtime-env agent", _LOST),
    Kind("dashboard"),
    Kind("log monitor"),
    Kind("autoscaler's monitor"),
)
