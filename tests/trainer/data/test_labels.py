"""Labels travel with the data sets that have them, and nobody is kept from training without."""

import io
import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainer.data import load
from trainer.data.cache.by_content import LABELS, content_folder
from trainer.data.cache.store import open_dataset
from trainer.data.labels import Labels, encode_labels, read_labels
from trainer.data.sets import sprites
from trainer.data.sets.dsprites import read_classes
from trainer.errors import UserError

COUNTS = Labels(np.arange(5), np.arange(3))
FACTORS = Labels(np.arange(10).reshape(5, 2), np.arange(6).reshape(3, 2), ("shape", "größe"))


@pytest.mark.parametrize("labels", [COUNTS, FACTORS, replace(FACTORS, names=("a b", "c.d"))])
def test_labels_are_read_as_they_were_written(labels):
    again = read_labels(encode_labels(labels), 5)
    np.testing.assert_array_equal(again.train, labels.train)
    np.testing.assert_array_equal(again.test, labels.test)
    assert again.names == labels.names
    again.check("mine", 5, 3)


def test_digits_have_the_labels_of_scikit_learn():
    target = load_digits().target
    held_out = np.arange(len(target)) % 5 == 4
    labels = load("digits").labels
    np.testing.assert_array_equal(labels.train, target[~held_out])
    np.testing.assert_array_equal(labels.test, target[held_out])


def test_the_labels_of_sprites_are_the_factors_that_draw_them():
    dataset = load("sprites")
    labels = dataset.labels
    assert labels.names == ("shape", "scale", "orientation", "pos_x", "pos_y")
    which = np.array([0, 1, 5000, 727_279])
    factors = labels.train[which]
    numbers = np.ravel_multi_index(factors.T, tuple(sprites.FACTORS.values()))
    np.testing.assert_array_equal(numbers, dataset.train.numbers[which])
    assert labels.test.max(axis=0).tolist() == [2, 5, 39, 31, 31]


def test_label_files_become_part_of_the_conversion(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    tiny.write_labels(data)
    dataset = open_dataset(tiny.with_labels, data)
    for labels, expected in zip(
        (dataset.labels.train, dataset.labels.test), tiny.labels, strict=True
    ):
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, expected)
    for path in data.iterdir():
        path.unlink()
    np.testing.assert_array_equal(open_dataset(tiny.with_labels).labels.train, tiny.labels[0])


def test_without_label_files_there_are_none_until_they_come(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    without = open_dataset(tiny.with_labels, data)
    assert without.labels is None
    tiny.write_labels(data)
    with_labels = open_dataset(tiny.with_labels, data)
    np.testing.assert_array_equal(with_labels.labels.test, tiny.labels[1])
    assert with_labels.sha256 == without.sha256


def test_a_wrong_label_file_is_warned_of_and_left_out(tmp_path, tiny, make_tiny, caplog):
    data = tiny.write(tmp_path / "data")
    make_tiny(seed=1).write_labels(data)
    with caplog.at_level(logging.WARNING):
        assert open_dataset(tiny.with_labels, data).labels is None
    assert "tiny is used without its labels: " in caplog.text
    assert "is not the official train-labels-idx1-ubyte" in caplog.text


def test_damaged_labels_in_the_cache_are_named(tmp_path, tiny):
    data = tiny.write(tmp_path / "data")
    tiny.write_labels(data)
    dataset = open_dataset(tiny.with_labels, data)
    path = content_folder(dataset.sha256) / LABELS
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"labels\.npy is damaged .*delete that file"):
        _ = open_dataset(tiny.with_labels, data).labels
    path.unlink()
    np.testing.assert_array_equal(open_dataset(tiny.with_labels, data).labels.train, tiny.labels[0])


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_dsprites_classes_are_read_without_the_colour(tmp_path):
    classes = np.arange(24).reshape(4, 6)
    path = tmp_path / "dsprites.npz"
    path.write_bytes(npz(imgs=np.zeros(1), latents_classes=classes))
    found = read_classes(path, 4)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, classes[:, 1:])


BAD = {
    "none": (npz(imgs=np.zeros(1)), "expected latents_classes in it"),
    "fewer": (npz(latents_classes=np.zeros((3, 6), np.int64)), r"found (3, 6) of int64"),
    "floats": (npz(latents_classes=np.zeros((4, 6))), "found (4, 6) of float64"),
    "no zip": (b"<html>", "expected latents_classes in it"),
    "objects": (npz(latents_classes=np.array([{}] * 4)), "expected latents_classes in it"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_bad_dsprites_classes_are_refused(tmp_path, content, words):
    path = tmp_path / "dsprites.npz"
    path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        read_classes(path, 4)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
