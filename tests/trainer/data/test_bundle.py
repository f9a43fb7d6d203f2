"""A conversion that travels in pieces is the same conversion."""

from __future__ import annotations

import threading

import pytest

from trainer.data.cache.bundle import pieces, unpack
from trainer.data.cache.store import conversion_folder, open_dataset


def elsewhere(tmp_path, monkeypatch):
    """Be on another machine: one with an empty cache and without the files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))


def test_it_arrives_as_it_was(tmp_path, tiny, monkeypatch):
    sent = open_dataset(tiny.info, tiny.write(tmp_path / "data"))
    parcel = list(pieces(tiny.info, piece_bytes=100))
    assert len(parcel) > 10
    elsewhere(tmp_path, monkeypatch)
    unpack(tiny.info, parcel)
    arrived = open_dataset(tiny.info)
    assert arrived.sha256 == sent.sha256
    assert (arrived.train == sent.train).all()
    assert (arrived.test == sent.test).all()


def test_one_of_several_takes_it(tmp_path, tiny, monkeypatch):
    open_dataset(tiny.info, tiny.write(tmp_path / "data"))
    parcel = list(pieces(tiny.info, piece_bytes=100))
    elsewhere(tmp_path, monkeypatch)
    taken = []

    def take():
        unpack(tiny.info, (taken.append(piece) or piece for piece in parcel))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == parcel
    open_dataset(tiny.info)


def test_a_parcel_that_is_lost_on_the_way_leaves_nothing(tmp_path, tiny, monkeypatch):
    open_dataset(tiny.info, tiny.write(tmp_path / "data"))
    first, *_ = pieces(tiny.info)
    elsewhere(tmp_path, monkeypatch)

    def lost():
        yield first
        raise ConnectionError

    with pytest.raises(ConnectionError):
        unpack(tiny.info, lost())
    assert not conversion_folder(tiny.info).exists()
    assert [path.name for path in conversion_folder(tiny.info).parent.iterdir()] == [".unpacking"]
