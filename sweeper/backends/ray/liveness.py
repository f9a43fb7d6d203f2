"""Noticing that Ray has died. Its own calls would block then for a minute, or for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Endpoint:
    """Something that listens, without which a run cannot go on."""

    name: str
    """For people."""
    host: str
    port: int
    patience: float
    """Seconds without an answer after which it counts as lost."""

    def answers(self) -> bool:
        """Return whether somebody listens there."""
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True


@contextmanager
def monitor(endpoints: Sequence[Endpoint], on_lost: Callable[[str], None]) -> Iterator[None]:
    """Check the endpoints, in another thread, while the body runs.

    Args:
        endpoints: what must answer.
        on_lost: called once, in that thread, with the name of the first that is lost.
    """
    done = threading.Event()

    def watch() -> None:
        answered = {endpoint: time.monotonic() for endpoint in endpoints}
        while not done.wait(CHECK_SECONDS):
            for endpoint in endpoints:
                if endpoint.answers():
                    answered[endpoint] = time.monotonic()
                elif (
                    time.monotonic() - answered[endpoint] >= endpoint.patience and not done.is_set()
                ):
                    on_lost(endpoint.name)
                    return

    threading.Thread(target=watch, name="liveness", daemon=True).start()
    try:
        yield
    finally:
        done.set()
