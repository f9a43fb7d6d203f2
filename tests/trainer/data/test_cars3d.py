import io
import sys
import tarfile

import numpy as np
import pytest

from trainer.data.cache.store import open_dataset
from trainer.data.cache.stream import as_stream, split_stream
from trainer.data.sets.cars3d import CARS3D, read_cars
from trainer.errors import UserError

scipy_io = pytest.importorskip("scipy.io")

RANDOM = np.random.default_rng(0)
MESHES = {
    name: RANDOM.integers(0, 256, (128, 128, 3, 24, 4), np.uint8)
    for name in ("car_002_mesh", "car_001_mesh")
}


def to_mat(**variables):
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, variables)
    return buffer.getvalue()


def to_tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


MEMBERS = {
    "data/sprites/sprites.mat": b"another set in the same archive",
    **{f"data/cars/{name}.mat": to_mat(im=mesh) for name, mesh in sorted(MESHES.items())},
    "data/cars/list.txt": b"car_002_mesh.mat\ncar_001_mesh.mat\n",
}


def read(paths):
    return split_stream(as_stream(read_cars(paths[0])), 12)


def test_an_official_archive_is_converted(tmp_path, official):
    info = official(CARS3D, to_tar(MEMBERS), read)
    dataset = open_dataset(info, tmp_path / "data")
    assert dataset.train.shape == (180, 3, 64, 64)
    assert dataset.test.shape == (12, 3, 64, 64)


@pytest.mark.parametrize("ending", [".mat", ""])
def test_the_order_is_that_of_the_list(tmp_path, ending):
    path = tmp_path / "cars.tar.gz"
    listed = "\n".join(name + ending for name in MESHES).encode()
    path.write_bytes(to_tar(MEMBERS | {"data/cars/list.txt": listed}))
    images = read_cars(path)
    assert images.shape == (192, 3, 64, 64)
    for number, (car, azimuth, elevation) in {
        0: ("car_002_mesh", 0, 0),
        1: ("car_002_mesh", 0, 1),
        5: ("car_002_mesh", 1, 1),
        96 + 4 * 23 + 3: ("car_001_mesh", 23, 3),
    }.items():
        view = MESHES[car][:, :, :, azimuth, elevation].astype(float)
        mean = view.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        np.testing.assert_array_equal(images[number], np.floor(mean + 0.5).transpose(2, 0, 1))


def changed(**changes):
    members = {name: content for name, content in MEMBERS.items() if name not in changes}
    return to_tar(members | {name: content for name, content in changes.items() if content})


FIRST = "data/cars/car_001_mesh.mat"
BAD = {
    "no list": (changed(**{"data/cars/list.txt": None}), "expected data/cars/list.txt naming"),
    "no car": (changed(**{FIRST: None}), f"expected {FIRST}, found none"),
    "no matlab": (changed(**{FIRST: b"hello" * 99}), f"expected a MATLAB file {FIRST}"),
    "no im": (changed(**{FIRST: to_mat(x=1)}), f"expected the variable im in {FIRST}, found none"),
    "small": (changed(**{FIRST: to_mat(im=np.zeros((2, 2), np.uint8))}), "found (2, 2) of uint8"),
    "truncated": (to_tar(MEMBERS)[:5000], "a whole .tar.gz archive"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_archive_is_refused_by_name(tmp_path, official, cache, content, message):
    info = official(CARS3D, content, read)
    with pytest.raises(UserError) as refusal:
        open_dataset(info, tmp_path / "data")
    assert message in str(refusal.value)
    assert CARS3D.files[0].name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(cache.glob("cars3d/*"))


def test_without_scipy_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "cars.tar.gz"
    path.write_bytes(to_tar(MEMBERS))
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UserError, match=r"needs the package 'scipy'.*bottleneck-sweeper\[cars3d\]"):
        read_cars(path)
