import gzip

import numpy as np
import pytest

from trainer.data.official.idx import read_idx, read_image_pair
from trainer.errors import UserError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("values", [IMAGES, IMAGES.ravel()])
def test_plain_and_gzip_files_are_read_alike(tmp_path, idx_bytes, values):
    plain, packed = tmp_path / "a-ubyte", tmp_path / "a-ubyte.gz"
    plain.write_bytes(idx_bytes(values))
    packed.write_bytes(gzip.compress(idx_bytes(values)))
    for path in (plain, packed):
        found = read_idx(path, values.ndim)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, values)


def test_an_image_pair_has_one_channel(tmp_path, idx_bytes):
    paths = [tmp_path / "train", tmp_path / "test"]
    paths[0].write_bytes(idx_bytes(IMAGES))
    paths[1].write_bytes(idx_bytes(IMAGES[:1]))
    train, test = read_image_pair(paths)
    assert train.shape == (2, 1, 3, 4)
    np.testing.assert_array_equal(train[:, 0], IMAGES)
    np.testing.assert_array_equal(test[:, 0], IMAGES[:1])


DAMAGED = {
    "empty": (lambda good: b"", "expected the magic number 00000803, found nothing"),
    "wrong magic": (lambda good: b"\x00\x00\x09\x03" + good[4:], "found 00000903"),
    "labels": (lambda good: b"\x00\x00\x08\x01" + good[4:], "found 00000801"),
    "cut header": (lambda good: good[:9], "expected a header of 16 bytes, found 9 bytes"),
    "truncated": (lambda good: good[:-1], "expected 40 bytes for the shape (2, 3, 4), found 39"),
    "too long": (lambda good: good + b"x", "expected 40 bytes for the shape (2, 3, 4), found 41"),
    "no images": (lambda good: good[:4] + bytes(4) + good[8:16], "found the shape (0, 3, 4)"),
    "absurd": (lambda good: good[:4] + b"\xff" * 12, "found 16 bytes"),
}
DAMAGED_GZIP = {
    "not gzip": (lambda packed: b"\x00\x00\x08\x03 plain", "expected a gzip file, found something"),
    "cut": (lambda packed: packed[:-12], "found that it ends early"),
    "flipped": (lambda packed: packed[:12] + b"\xff\xff\xff" + packed[15:], "found"),
}


def assert_refused(path, message):
    with pytest.raises(UserError) as refusal:
        read_idx(path, 3)
    assert str(refusal.value).startswith(f"{path} is not a whole IDX file")
    assert message in str(refusal.value)
    assert "expected" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_content_is_refused(tmp_path, idx_bytes, damage, message, suffix):
    content = damage(idx_bytes(IMAGES))
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    assert_refused(path, message)


@pytest.mark.parametrize(("damage", "message"), DAMAGED_GZIP.values(), ids=DAMAGED_GZIP)
def test_damaged_gzip_is_refused(tmp_path, idx_bytes, damage, message):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(IMAGES))))
    assert_refused(path, message)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="it cannot be read: No such file"):
        read_idx(tmp_path / "gone", 3)
