import errno
import gzip
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from trainer.data.cache.by_content import content_folder
from trainer.data.cache.note import earlier_conversion, note_path
from trainer.data.cache.store import open_dataset
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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_conversion_is_three_files_by_content_and_a_note_by_name(tmp_path, tiny, cache):
    tiny.write(tmp_path / "data")
    dataset = open_dataset(tiny.info, tmp_path / "data")
    assert names(cache / "by-content") == [dataset.sha256]
    assert names(content_folder(dataset.sha256)) == ["meta.json", "test.npy", "train.npy"]
    assert list((cache / "tiny").iterdir()) == [note_path(tiny.info)]


def test_the_first_place_in_the_search_order_decides(tmp_path, make_tiny, cache, monkeypatch):
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


def test_files_that_are_missing_are_named_with_all_places(tmp_path, tiny, cache, monkeypatch):
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


def test_only_the_compressed_file_will_do_where_only_its_hash_is_known(tmp_path, make_tiny):
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


@pytest.mark.parametrize("name", ["meta.json", "train.npy", "note"])
@pytest.mark.parametrize("damage", ["cut", "emptied"])
def test_what_is_damaged_in_the_cache_is_named_and_made_again_once_deleted(
    tmp_path, tiny, name, damage
):
    data = tiny.write(tmp_path / "data")
    folder = content_folder(open_dataset(tiny.info, data).sha256)
    path = note_path(tiny.info) if name == "note" else folder / name
    path.write_bytes(path.read_bytes()[:-100] if damage == "cut" else b"")
    what = "file" if name == "note" else "folder"
    with pytest.raises(UserError, match=rf"is damaged .*delete that {what}") as refusal:
        open_dataset(tiny.info, data)
    assert str(path if name == "note" else folder) in str(refusal.value)
    if name == "note":
        path.unlink()
    else:
        shutil.rmtree(folder)
    assert_is(open_dataset(tiny.info, data), tiny)


def test_a_conversion_of_other_content_than_its_folder_says_is_damaged(tmp_path, make_tiny):
    one, other = make_tiny(1), make_tiny(2)
    first, second = (
        content_folder(open_dataset(tiny.info, tiny.write(tmp_path / str(number))).sha256)
        for number, tiny in enumerate((one, other))
    )
    shutil.rmtree(first)
    second.rename(first)
    with pytest.raises(UserError, match=r"meta\.json is of other content"):
        open_dataset(one.info, tmp_path / "0")


def as_an_earlier_version_kept_it(info, dataset):
    """Move a conversion to where the versions before kept it, with its note inside."""
    earlier = earlier_conversion(info)
    content_folder(dataset.sha256).rename(earlier)
    files = json.loads(note_path(info).read_text())["files"]
    (earlier / "verified.json").write_text(json.dumps(files))
    note_path(info).unlink()


@pytest.mark.parametrize("files", ["present", "gone"])
def test_the_conversion_of_an_earlier_version_is_adopted(tmp_path, tiny, cache, files):
    data = tiny.write(tmp_path / "data")
    first = open_dataset(tiny.info, data)
    as_an_earlier_version_kept_it(tiny.info, first)
    if files == "gone":
        (data / TRAIN).unlink()
    adopted = open_dataset(replace(tiny.info, read=never_read), data)
    assert_is(adopted, tiny)
    assert adopted.sha256 == first.sha256
    assert names(cache / "tiny") == [note_path(tiny.info).name]
    assert names(content_folder(first.sha256)) == ["meta.json", "test.npy", "train.npy"]
    assert_is(open_dataset(replace(tiny.info, read=never_read), data), tiny)


def test_adopted_files_are_not_hashed_again(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    status = (data / TRAIN).stat()
    as_an_earlier_version_kept_it(tiny.info, open_dataset(tiny.info, data))
    (data / TRAIN).write_bytes(bytes(status.st_size))
    os.utime(data / TRAIN, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert_is(open_dataset(tiny.info, data), tiny)


def test_a_damaged_conversion_of_an_earlier_version_is_named(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    as_an_earlier_version_kept_it(tiny.info, open_dataset(tiny.info, data))
    (earlier_conversion(tiny.info) / "meta.json").write_text("{")
    with pytest.raises(UserError, match=r"is damaged .*delete that folder") as refusal:
        open_dataset(tiny.info, data)
    assert str(earlier_conversion(tiny.info)) in str(refusal.value)


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path, tiny, monkeypatch):
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
    assert list((cache / "by-content").iterdir()) == []
    assert_is(open_dataset(tiny.info, data), tiny)


def test_the_slower_of_two_conversions_is_dropped(tmp_path, tiny, cache):
    data = tiny.write(tmp_path / "data")

    def overtaken(paths):
        open_dataset(tiny.info, data)  # a whole conversion while this one is under way
        return read_image_pair(paths)

    dataset = open_dataset(replace(tiny.info, read=overtaken), data)
    assert_is(dataset, tiny)
    assert names(cache / "by-content") == [dataset.sha256]


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
    assert names(cache / "by-content") == [expected.sha256]
