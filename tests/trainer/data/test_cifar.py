import dataclasses
import io
import tarfile
from functools import partial

import numpy as np
import pytest
from PIL import Image

from trainer.data.cache.store import open_dataset
from trainer.data.sets.cifar import (
    CIFAR_10,
    CIFAR_10_LAYOUT,
    CIFAR_100,
    CIFAR_100_LAYOUT,
    Layout,
    enlarge,
    read_archive,
    read_labels,
)
from trainer.errors import UserError

RANDOM = np.random.default_rng(0)
TEN = Layout(CIFAR_10_LAYOUT.train, CIFAR_10_LAYOUT.test, labels=("class",), per_file=2, held_out=3)
HUNDRED = Layout(
    CIFAR_100_LAYOUT.train,
    CIFAR_100_LAYOUT.test,
    labels=("coarse", "fine"),
    per_file=10,
    held_out=3,
)


def to_records(images, labels):
    """The official layout: label bytes, then 1024 red, 1024 green, 1024 blue, row by row."""
    return b"".join(
        label.tobytes() + image[0].tobytes() + image[1].tobytes() + image[2].tobytes()
        for image, label in zip(images, labels, strict=True)
    )


def to_tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def files_of(layout):
    """Images, labels, and an archive's members that have them, as the official with a readme."""
    images = RANDOM.integers(0, 256, (13, 3, 32, 32), np.uint8)
    labels = RANDOM.integers(0, 100, (13, len(layout.labels)), np.uint8)
    *train, test = (
        to_records(images[part], labels[part])
        for part in (*np.split(np.arange(10), len(layout.train)), slice(10, None))
    )
    members = {"readme.html": b"<html>", layout.test: test}
    return images, labels, members | dict(zip(layout.train, train, strict=True))


@pytest.mark.parametrize(("row", "layout"), [(CIFAR_10, TEN), (CIFAR_100, HUNDRED)])
def test_an_official_archive_is_converted_with_its_labels(tmp_path, official, row, layout):
    images, labels, members = files_of(layout)
    info = official(row, to_tar(members), partial(read_archive, layout))
    info = dataclasses.replace(info, read_labels=partial(read_labels, layout))
    dataset = open_dataset(info, tmp_path / "data")
    assert isinstance(dataset.train, np.memmap)
    np.testing.assert_array_equal(dataset.train, enlarge(images[:10]))
    np.testing.assert_array_equal(dataset.test, enlarge(images[10:]))
    expected = labels if row is CIFAR_100 else labels[:, 0]
    np.testing.assert_array_equal(dataset.labels.train, expected[:10])
    np.testing.assert_array_equal(dataset.labels.test, expected[10:])
    assert dataset.labels.names == (("coarse", "fine") if row is CIFAR_100 else ())


def test_the_layouts_have_the_official_counts():
    assert CIFAR_10_LAYOUT.per_file * len(CIFAR_10_LAYOUT.train) == 50_000
    assert CIFAR_100_LAYOUT.per_file * len(CIFAR_100_LAYOUT.train) == 50_000
    assert CIFAR_10_LAYOUT.train[4] == "cifar-10-batches-bin/data_batch_5.bin"


def test_enlarging_equals_pillows_bilinear():
    image = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR))
    found = np.moveaxis(enlarge(np.moveaxis(image, -1, 0)[None])[0], 0, -1)
    assert found.shape == (64, 64, 3)
    assert abs(found.astype(int) - expected).max() <= 1  # Pillow rounds twice


def test_enlarging_keeps_flat_images():
    for value in (0, 1, 254, 255):
        assert (enlarge(np.full((1, 3, 4, 4), value, np.uint8)) == value).all()


def without(members, name):
    return {key: value for key, value in members.items() if key != name}


BAD = {
    "no tar": (lambda members: b"<html>please log in</html>", "a whole .tar.gz archive"),
    "truncated": (lambda members: to_tar(members)[:-2000], "a whole .tar.gz archive"),
    "a file is missing": (
        lambda members: to_tar(without(members, TEN.train[3])),
        "expected cifar-10-batches-bin/data_batch_4.bin in it, found none",
    ),
    "a file is short": (
        lambda members: to_tar(members | {TEN.test: b"short"}),
        "expected 9219 bytes in cifar-10-batches-bin/test_batch.bin, found 5",
    ),
    "a folder in its place": (
        lambda members: to_tar(without(members, TEN.test) | {"../" + TEN.test: b"outside"}),
        "expected cifar-10-batches-bin/test_batch.bin in it, found none",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_a_bad_archive_is_refused_by_name(tmp_path, official, cache, make, message):
    content = make(files_of(TEN)[2])
    info = official(CIFAR_10, content, partial(read_archive, TEN))
    with pytest.raises(UserError) as refusal:
        open_dataset(info, tmp_path / "data")
    assert message in str(refusal.value)
    assert "cifar-10-binary.tar.gz" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(cache.glob("cifar-10/*"))


def test_another_file_of_that_name_is_refused(tmp_path, cache):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(to_tar({}))
    with pytest.raises(UserError, match="expected 170052171 compressed bytes with sha256 c4a38"):
        open_dataset(CIFAR_10, tmp_path)
    assert not cache.exists()
