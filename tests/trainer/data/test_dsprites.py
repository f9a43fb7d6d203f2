import io

import numpy as np
import pytest

from trainer.data.cache.store import open_dataset
from trainer.data.cache.stream import split_stream
from trainer.data.drawn.rendered import hold_out
from trainer.data.sets.dsprites import DSPRITES, read_images
from trainer.errors import UserError

COUNT = 5000  # more than one block
IMAGES = np.random.default_rng(0).integers(0, 2, (COUNT, 64, 64), np.uint8)


def to_npz(**arrays):
    """As the official file: compressed, with the factors beside the images."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, metadata=np.zeros(1), **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def content():
    return to_npz(imgs=IMAGES, latents_classes=np.zeros((COUNT, 6), np.int64))


def read(paths):
    return split_stream(read_images(paths[0], COUNT), 40)


def test_an_official_file_is_converted(tmp_path, official, content):
    seen = []
    info = official(DSPRITES, content, read)
    dataset = open_dataset(info, tmp_path / "data", lambda *report: seen.append(report))
    train, test = hold_out(COUNT, 40)
    assert isinstance(dataset.train, np.memmap)
    np.testing.assert_array_equal(dataset.train[:, 0], IMAGES[train])
    np.testing.assert_array_equal(dataset.test[:, 0], IMAGES[test])
    total = COUNT * 64 * 64
    assert seen[-1] == ("converting dsprites", total, total)
    assert len(seen) >= 3


BAD = {
    "truncated": (lambda good: good[: len(good) // 2], "a zip file"),
    "no zip": (lambda good: b"<html>", "a zip file"),
    "empty": (lambda good: b"", "a zip file"),
    "no images": (lambda good: to_npz(other=IMAGES[:2]), "expected imgs.npy in it, found none"),
    "fewer": (lambda good: to_npz(imgs=IMAGES[:9]), "found (9, 64, 64) of uint8"),
    "floats": (lambda good: to_npz(imgs=IMAGES.astype("f4")), "found (5000, 64, 64) of float32"),
    "damaged": (
        lambda good: good[: len(good) // 2] + b"\xff" * 9 + good[len(good) // 2 + 9 :],
        "expected 5000 images",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_by_name(tmp_path, official, content, cache, damage, message):
    info = official(DSPRITES, damage(content), read)
    with pytest.raises(UserError) as refusal:
        open_dataset(info, tmp_path / "data")
    assert message in str(refusal.value)
    assert DSPRITES.files[0].name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(cache.glob("dsprites/*"))


def test_another_file_of_that_name_is_refused(tmp_path, content, cache):
    """The hash is git's: of `blob`, the length and the content."""
    (tmp_path / DSPRITES.files[0].name).write_bytes(b"hello\n")
    with pytest.raises(UserError) as refusal:
        open_dataset(DSPRITES, tmp_path)
    expected, found = str(refusal.value).split("found")
    assert "git-blob d98996d3f8ee1550e06b9d4ed78d0beb478910d5" in expected
    assert "6 with ce013625030ba8dba906f756967f9e9ca394464a" in found  # git hash-object
    assert not cache.exists()
