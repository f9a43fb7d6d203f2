"""A conversion that is sent in chunks arrives as the same conversion."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from trainer.data.cache.bundle import chunks, unpack
from trainer.data.cache.by_content import content_folder, is_stored, open_stored
from trainer.data.cache.store import open_dataset


def elsewhere(tmp_path, monkeypatch):
    """Be on another machine: one with an empty cache and without the files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("labels", [False, True])
def test_it_arrives_as_it_was(tmp_path, tiny, monkeypatch, labels):
    data = tiny.write(tmp_path / "data")
    if labels:
        tiny.write_labels(data)
    sent = open_dataset(tiny.with_labels, data)
    bundle = list(chunks(sent.sha256, chunk_bytes=100))
    assert len(bundle) > 10
    elsewhere(tmp_path, monkeypatch)
    unpack(sent.sha256, bundle)
    arrived = open_stored(sent.sha256, "tiny")
    assert arrived.sha256 == sent.sha256
    np.testing.assert_array_equal(arrived.train, sent.train)
    np.testing.assert_array_equal(arrived.test, sent.test)
    assert (arrived.labels is not None) is labels
    if labels:
        np.testing.assert_array_equal(arrived.labels.train, tiny.labels[0])


def test_of_several_processes_one_takes_the_chunks(tmp_path, tiny, monkeypatch):
    sha256 = open_dataset(tiny.info, tiny.write(tmp_path / "data")).sha256
    bundle = list(chunks(sha256, chunk_bytes=100))
    elsewhere(tmp_path, monkeypatch)
    taken = []

    def take():
        unpack(sha256, (taken.append(chunk) or chunk for chunk in bundle))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == bundle
    open_stored(sha256, "tiny")


def test_a_bundle_that_is_lost_on_the_way_leaves_nothing(tmp_path, tiny, monkeypatch):
    sha256 = open_dataset(tiny.info, tiny.write(tmp_path / "data")).sha256
    first, *_ = chunks(sha256)
    elsewhere(tmp_path, monkeypatch)

    def lost():
        yield first
        raise ConnectionError

    with pytest.raises(ConnectionError):
        unpack(sha256, lost())
    assert not is_stored(sha256)
    assert [path.name for path in content_folder(sha256).parent.iterdir()] == [".unpacking"]
