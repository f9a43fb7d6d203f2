"""An endpoint that stops answering is noticed, and a short silence is not."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator

import pytest

from sweeper.backends.ray import liveness
from sweeper.backends.ray.liveness import Endpoint


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(liveness, "CHECK_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def test_an_endpoint_that_stops_answering_is_lost(listener: socket.socket) -> None:
    lost: queue.Queue[str] = queue.Queue()
    port = listener.getsockname()[1]
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        liveness.monitor(
            [
                Endpoint("this", "127.0.0.1", port, patience=0.1),
                Endpoint("that", "127.0.0.1", other.getsockname()[1], patience=0.1),
            ],
            lost.put,
        ),
    ):
        for _ in range(20):  # checks
            listener.accept()[0].close()
        assert lost.empty()
        listener.close()
        assert lost.get(timeout=30) == "this"
    assert lost.empty()


def test_a_silence_shorter_than_the_patience_is_no_loss(listener: socket.socket) -> None:
    lost: queue.Queue[str] = queue.Queue()
    port = listener.getsockname()[1]
    with liveness.monitor([Endpoint("this", "127.0.0.1", port, patience=60.0)], lost.put):
        listener.accept()[0].close()
        listener.close()
        with socket.create_server(("127.0.0.1", port)) as again:
            again.settimeout(30)
            again.accept()[0].close()
    assert lost.empty()
