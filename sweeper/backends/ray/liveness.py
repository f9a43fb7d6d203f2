"""Noticing that Ray has died. Its own calls would block then for a minute, or for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Vital:
    """Something that listens, without which a run cannot go on."""

    name: str
    """For people."""
    host: str
    port: int
    patience: float
    """Seconds without an answer after which it counts as lost."""

    def answers(self) -> bool:
        """Tell whether somebody listens there."""
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True


@contextmanager
def watching(vitals: Sequence[Vital], on_lost: Callable[[str], None]) -> Iterator[None]:
    """Knock, in another thread, while the body runs.

    Args:
        vitals: where.
        on_lost: called once, in that thread, with the name of the first that is lost.
    """
    done = threading.Event()

    def watch() -> None:
        answered = {vital: time.monotonic() for vital in vitals}
        while not done.wait(LOOK_SECONDS):
            for vital in vitals:
                if vital.answers():
                    answered[vital] = time.monotonic()
                elif time.monotonic() - answered[vital] >= vital.patience and not done.is_set():
                    on_lost(vital.name)
                    return

    threading.Thread(target=watch, name="pulse", daemon=True).start()
    try:
        yield
    finally:
        done.set()
