"""That somebody stops listening is noticed, and nothing else is."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator

import pytest

from sweeper.backends.ray import liveness
from sweeper.backends.ray.liveness import Vital


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(liveness, "LOOK_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def test_who_stops_answering_is_lost(listener: socket.socket) -> None:
    lost: queue.Queue[str] = queue.Queue()
    port = listener.getsockname()[1]
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        liveness.watching(
            [
                Vital("this", "127.0.0.1", port, patience=0.1),
                Vital("that", "127.0.0.1", other.getsockname()[1], patience=0.1),
            ],
            lost.put,
        ),
    ):
        for _ in range(20):  # knocks
            listener.accept()[0].close()
        assert lost.empty()
        listener.close()
        assert lost.get(timeout=30) == "this"
    assert lost.empty()


def test_a_short_silence_is_none(listener: socket.socket) -> None:
    lost: queue.Queue[str] = queue.Queue()
    port = listener.getsockname()[1]
    with liveness.watching([Vital("this", "127.0.0.1", port, patience=60.0)], lost.put):
        listener.accept()[0].close()
        listener.close()
        with socket.create_server(("127.0.0.1", port)) as again:
            again.settimeout(30)
            again.accept()[0].close()
    assert lost.empty()
