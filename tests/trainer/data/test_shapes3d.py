import sys

import numpy as np
import pytest

from trainer.data.cache.store import open_dataset
from trainer.data.cache.stream import split_stream
from trainer.data.drawn.rendered import hold_out
from trainer.data.sets.shapes3d import SHAPES3D, read_images
from trainer.errors import UserError

h5py = pytest.importorskip("h5py")

COUNT = 2100  # more than one block
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 64, 64, 3), np.uint8)


def to_h5(folder, **datasets):
    with h5py.File(folder / "made.h5", "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name, data=values)
    return (folder / "made.h5").read_bytes()


def read(paths):
    return split_stream(read_images(paths[0], COUNT), 30)


def test_an_official_file_is_converted(tmp_path, official):
    content = to_h5(tmp_path, images=IMAGES, labels=np.zeros((COUNT, 6)))
    dataset = open_dataset(official(SHAPES3D, content, read), tmp_path / "data")
    train, test = hold_out(COUNT, 30)
    np.testing.assert_array_equal(np.moveaxis(dataset.train, 1, -1), IMAGES[train])
    np.testing.assert_array_equal(np.moveaxis(dataset.test, 1, -1), IMAGES[test])


BAD = {
    "no images": ({"labels": IMAGES[:2]}, "expected the data set 'images' in it, found labels"),
    "nothing": ({}, "expected the data set 'images' in it, found nothing"),
    "fewer": ({"images": IMAGES[:2]}, "found (2, 64, 64, 3) of uint8"),
    "floats": ({"images": np.zeros((COUNT, 64, 64, 3), "f4")}, "64, 64, 3) of float32"),
    "truncated": (9000, "expected an HDF5 file"),
    "empty": (0, "expected an HDF5 file"),
}


@pytest.mark.parametrize(("made_of", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_by_name(tmp_path, official, cache, made_of, message):
    if isinstance(made_of, int):
        content = to_h5(tmp_path, images=IMAGES)[:made_of]
    else:
        content = to_h5(tmp_path, **made_of)
    with pytest.raises(UserError) as refusal:
        open_dataset(official(SHAPES3D, content, read), tmp_path / "data")
    assert message in str(refusal.value)
    assert "3dshapes.h5" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(cache.glob("shapes3d/*"))


def test_without_h5py_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"needs the package 'h5py'.*sweeper\[shapes3d\]"):
        read_images(tmp_path / "3dshapes.h5", 1)
