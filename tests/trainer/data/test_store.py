import errno
import gzip
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from trainer.data.cache.store import conversion_folder, open_dataset
from trainer.data.official.idx import read_image_pair
from trainer.errors import UserError

TRAIN = "train-images-idx3-ubyte.gz"


def assert_is(dataset, tiny):
    np.testing.assert_array_equal(dataset.train[:, 0], tiny.train)
    np.testing.assert_array_equal(dataset.test[:, 0], tiny.test)


def never_read(paths):
    raise AssertionError("converted again")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["tiny", "."])
def test_files_are_found_in_the_folder_and_in_its_subfolder(tmp_path, tiny, packed, place):
    tiny.write(tmp_path / "data" / place, packed)
    dataset = open_dataset(tiny.info, tmp_path / "data")
    assert_is(dataset, tiny)
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.levels == 255


def test_arrays_are_mapped_copy_on_write(tmp_path, tiny):
    tiny.write(tmp_path / "data")
    dataset = open_dataset(tiny.info, tmp_path / "data")
    assert isinstance(dataset.train, np.memmap)
    assert dataset.train.flags.writeable
    before = dataset.train[0, 0, 0, 0].copy()
    dataset.train[0, 0, 0, 0] = before + 1
    assert open_dataset(tiny.info, tmp_path / "data").train[0, 0, 0, 0] == before


def test_the_conversion_holds_three_files_and_a_note(tmp_path, tiny, cache):
    tiny.write(tmp_path / "data")
    open_dataset(tiny.info, tmp_path / "data")
    folder = conversion_folder(tiny.info)
    assert list((cache / "tiny").iterdir()) == [folder]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["meta.json", "test.npy", "train.npy", "verified.json"]


def test_search_order(tmp_path, make_tiny, cache, monkeypatch):
    """Each place has files that only the right row accepts, so the first found decides."""
    first, second, third = (make_tiny(seed) for seed in (1, 2, 3))
    first.write(tmp_path / "first" / "tiny")
    second.write(tmp_path / "second" / "tiny")
    third.write(cache / "tiny")
    assert_is(open_dataset(third.info), third)
    monkeypatch.setenv("SWEEPER_DATA", str(tmp_path / "second"))
    assert_is(open_dataset(second.info), second)
    assert_is(open_dataset(first.info, tmp_path / "first"), first)
    with pytest.raises(UserError, match="not the official"):
        open_dataset(third.info)  # converted already, but the environment's files come first


def test_unchanged_files_are_not_read_again(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    status = (data / TRAIN).stat()
    first = open_dataset(tiny.info, data)
    (data / TRAIN).write_bytes(bytes(status.st_size))
    os.utime(data / TRAIN, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = open_dataset(replace(tiny.info, read=never_read), data)
    assert_is(again, tiny)
    assert again.sha256 == first.sha256


@pytest.mark.parametrize("change", ["time", "size"])
def test_changed_files_are_hashed_again(tmp_path, tiny, change):
    data = tiny.write(tmp_path / "data")
    path = data / TRAIN
    status = path.stat()
    open_dataset(tiny.info, data)
    path.write_bytes(bytes(status.st_size + (change == "size")))
    later = status.st_mtime_ns + (change == "time")
    os.utime(path, ns=(status.st_atime_ns, later))
    with pytest.raises(UserError, match="expected a gzip file"):
        open_dataset(tiny.info, data)
    path.write_bytes(gzip.compress(tiny.plain[TRAIN], compresslevel=1))
    assert_is(open_dataset(tiny.info, data), tiny)  # other bytes, but the official content


def test_other_hashes_are_another_conversion(tmp_path, make_tiny):
    old, new = make_tiny(1), make_tiny(2)
    data = old.write(tmp_path / "data")
    first = open_dataset(old.info, data)
    new.write(data)
    second = open_dataset(new.info, data)
    assert_is(second, new)
    assert first.sha256 != second.sha256


def test_a_conversion_outlives_its_files(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    open_dataset(tiny.info, data)
    (data / TRAIN).unlink()
    assert_is(open_dataset(tiny.info), tiny)
    assert_is(open_dataset(tiny.info, data), tiny)


def test_not_on_disk(tmp_path, tiny, cache, monkeypatch):
    monkeypatch.setenv("SWEEPER_DATA", str(tmp_path / "shared"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError) as refusal:
        open_dataset(tiny.info, tmp_path / "mine")
    message = str(refusal.value)
    assert f"no {TRAIN} or train-images-idx3-ubyte, t10k-images" in message
    for place in (tmp_path / "mine", tmp_path / "shared", cache):
        assert f"{place / 'tiny'}, {place}" in message
    assert "`sweeper data fetch tiny`" in message
    assert "--data-dir" in message


def test_a_missing_data_dir_is_an_error_of_its_own(tmp_path, tiny):
    with pytest.raises(UserError, match=r"--data-dir .*nowhere is not a folder"):
        open_dataset(tiny.info, tmp_path / "nowhere")


def test_wrong_content_names_file_expected_and_found(tmp_path, make_tiny, cache):
    tiny, other = make_tiny(1), make_tiny(2)
    data = other.write(tmp_path / "data", packed=False)
    with pytest.raises(UserError) as refusal:
        open_dataset(tiny.info, data)
    message = str(refusal.value)
    file = tiny.info.files[0]
    assert str(data / file.plain_name) in message
    assert f"expected {file.size} uncompressed bytes with sha256 {file.digest}" in message
    assert f"found {file.size} with {other.info.files[0].digest}" in message
    assert not cache.exists()  # nothing half-written


def test_hash_of_the_compressed_file(tmp_path, make_tiny):
    tiny = make_tiny(of_content=False)
    data = tiny.write(tmp_path / "data", packed=False)
    with pytest.raises(UserError, match=r"only the \.gz can be verified") as refusal:
        open_dataset(tiny.info, data)
    assert str(data / "train-images-idx3-ubyte") in str(refusal.value)
    tiny.write(data)
    assert_is(open_dataset(tiny.info, data), tiny)
    (data / TRAIN).write_bytes(gzip.compress(tiny.plain[TRAIN], compresslevel=1))
    with pytest.raises(UserError, match="compressed bytes with md5"):
        open_dataset(tiny.info, data)


@pytest.mark.parametrize("name", ["meta.json", "train.npy", "verified.json"])
@pytest.mark.parametrize("damage", ["cut", "emptied"])
def test_a_damaged_conversion_is_named(tmp_path, tiny, name, damage):
    data = tiny.write(tmp_path / "data")
    open_dataset(tiny.info, data)
    path = conversion_folder(tiny.info) / name
    path.write_bytes(path.read_bytes()[:-100] if damage == "cut" else b"")
    with pytest.raises(UserError, match=r"is damaged .*delete that folder") as refusal:
        open_dataset(tiny.info, data)
    assert str(path.parent) in str(refusal.value)


def test_a_cache_that_cannot_be_written(tmp_path, tiny, monkeypatch):
    data = tiny.write(tmp_path / "data")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot keep the converted tiny in .*XDG_CACHE_HOME"):
        open_dataset(tiny.info, data)


def test_a_full_disk_leaves_nothing_behind(tmp_path, tiny, cache, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    data = tiny.write(tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device; make room"):
            open_dataset(tiny.info, data)
    assert list((cache / "tiny").iterdir()) == []
    assert_is(open_dataset(tiny.info, data), tiny)


def test_the_slower_of_two_conversions_is_dropped(tmp_path, tiny, cache):
    data = tiny.write(tmp_path / "data")

    def overtaken(paths):
        open_dataset(tiny.info, data)  # a whole conversion while this one is under way
        return read_image_pair(paths)

    assert_is(open_dataset(replace(tiny.info, read=overtaken), data), tiny)
    assert list((cache / "tiny").iterdir()) == [conversion_folder(tiny.info)]


WORKER = """
import pickle, sys, time
from pathlib import Path
from trainer.data.cache.store import open_dataset
info = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
dataset = open_dataset(info, Path(sys.argv[2]))
print(dataset.sha256, int(dataset.train.sum()))
"""


def test_processes_that_convert_at_once_agree(tmp_path, tiny, cache):
    data = tiny.write(tmp_path / "data")
    (tmp_path / "info").write_bytes(pickle.dumps(tiny.info))
    command = [sys.executable, "-c", WORKER, str(tmp_path / "info"), str(data)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = {worker.communicate(timeout=60)[0] for worker in workers}
    expected = open_dataset(tiny.info, data)
    assert answers == {f"{expected.sha256} {tiny.train.sum()}\n"}
    assert all(worker.returncode == 0 for worker in workers)
    assert list((cache / "tiny").iterdir()) == [conversion_folder(tiny.info)]
