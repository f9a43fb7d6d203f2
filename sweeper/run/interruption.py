"""Ctrl-C, SIGTERM and SIGHUP: the first stops a run cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sweeper.run.parent import signals_passed_on

EXIT_INTERRUPTED = 130
"""The exit code of a run that was stopped: 128 + SIGINT, as shells have it."""

GRACE_SECONDS = 20.0
"""How long a clean stop may take. A signal to the whole process group, as batch systems send it,
ends Ray's own processes too, and then its calls would block for a minute and more."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a run; SIGHUP is not one of them under `nohup`."""
    hung_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hung_up)


def release_dead_terminal() -> None:
    """Send what is written to a terminal that has been closed to nowhere, rather than raise."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.isatty():
            continue
        if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


class Interruption:
    """Sets `stop` at the first signal, and raises KeyboardInterrupt at the second.

    Args:
        on_stop: called at the first signal.
        on_stuck: called in another thread if the run has not ended `GRACE_SECONDS` later.
    """

    def __init__(self, on_stop: Callable[[], None], on_stuck: Callable[[], None]) -> None:
        self.stop = threading.Event()
        self._signals = stop_signals()
        self._heard = 0
        self._counted = 0
        self._on_stop = on_stop
        self._deadline = threading.Timer(GRACE_SECONDS, on_stuck)
        self._deadline.daemon = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Listen to the signals while the body runs."""
        before = {number: signal.getsignal(number) for number in self._signals}
        self.listen()
        try:
            yield
        finally:
            self._deadline.cancel()
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def listen(self) -> None:
        """Handle the signals from now on, also if something else, such as Ray, has taken them.

        Only the main thread can: a run in another one, from Python, is not stopped by signals.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._signals:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            release_dead_terminal()
        # A signal to a whole tree of processes, such as that of `ray job stop`, comes to this
        # process and once more through its parent, but is one.
        self._heard += 1
        signals = signals_passed_on() or self._heard
        if signals <= self._counted:
            return
        self._counted = signals
        if not self.stop.is_set():
            self.stop.set()
            self._on_stop()
            self._deadline.start()
        if signals > 1:
            raise KeyboardInterrupt
