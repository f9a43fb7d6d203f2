"""Cars3D (Reed et al. 2015): 183 car models seen from 24 azimuths and 4 elevations.

The files are MATLAB's; to convert them takes scipy: `pip install 'bottleneck-sweeper[cars3d]'`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from trainer.data.base import DatasetInfo, Images
from trainer.data.cache.stream import (
    Stream,
    as_stream,
    damaged_file_error,
    missing_package_error,
    split_stream,
)
from trainer.data.official.archive import read_members
from trainer.data.official.sources import SourceFile

_FOLDER = PurePosixPath("data/cars")
_LIST = str(_FOLDER / "list.txt")
_MESH = (128, 128, 3, 24, 4)  # row, column, channel, azimuth, elevation
_HELD_OUT = 1_568
_NAME = "nips2015-analogy-data.tar.gz"


def read_cars(path: Path) -> Images:
    """Read all cars in the order of `list.txt`: azimuth by azimuth, elevation fastest.

    128×128 becomes 64×64 by the mean of 2×2 pixels, rounded half up.

    Returns:
        uint8 [96 · cars, 3, 64, 64].

    Raises:
        UserError: if scipy is missing, or the archive is damaged or lacks a file.
    """
    names, cars = None, {}
    for name, content in read_members(path, _wanted):
        if name == _LIST:
            names = content.decode("utf-8", "replace").split()
        else:
            cars[PurePosixPath(name).stem] = _shrunk(_mesh(path, name, content))
    if not names:
        raise damaged_file_error(path, "Cars3D archive", f"{_LIST} naming the cars", "none")
    stems = [PurePosixPath(name).name.removesuffix(".mat") for name in names]
    lost = [stem for stem in stems if stem not in cars]
    if lost:
        raise damaged_file_error(path, "Cars3D archive", f"{_FOLDER}/{lost[0]}.mat", "none")
    return np.concatenate([cars[stem] for stem in stems])


def _wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parent == _FOLDER and (name == _LIST or path.match("car_*_mesh.mat"))


def _mesh(path: Path, name: str, content: bytes) -> Images:
    """Read one car, uint8 of shape `_MESH`."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise missing_package_error("cars3d", "scipy") from error
    try:
        image: Images = np.asarray(loadmat(io.BytesIO(content), variable_names=["im"])["im"])
    except KeyError as error:
        raise damaged_file_error(
            path, "Cars3D archive", f"the variable im in {name}", "none"
        ) from error
    except (ValueError, TypeError, OSError, EOFError, zlib.error, NotImplementedError) as error:
        raise damaged_file_error(path, "Cars3D archive", f"a MATLAB file {name}", error) from error
    if image.shape != _MESH or image.dtype != np.uint8:
        found = f"{image.shape} of {image.dtype}"
        raise damaged_file_error(path, "Cars3D archive", f"im {_MESH} of uint8 in {name}", found)
    return image


def _shrunk(mesh: Images) -> Images:
    """Order as [azimuth · elevation, channel, row, column] and halve rows and columns."""
    images = mesh.transpose(3, 4, 2, 0, 1).reshape(-1, 3, 64, 2, 64, 2)
    halved: Images = ((images.sum(axis=(3, 5), dtype=np.uint16) + 2) >> 2).astype(np.uint8)
    return halved


def _read(paths: Sequence[Path]) -> tuple[Stream, Stream]:
    (path,) = paths
    return split_stream(as_stream(read_cars(path)), _HELD_OUT)


CARS3D = DatasetInfo(
    name="cars3d",
    summary="17,568 views of 183 car models, 64x64 colour (Reed et al.); needs scipy",
    image_shape=(3, 64, 64),
    levels=255,
    architecture="conv64",
    width=20,
    budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
    default_taus="60..160..20",
    files=(
        SourceFile(
            name=_NAME,
            urls=(f"http://www.scottreed.info/files/{_NAME}",),
            size=None,
            digest="4e866a7919c1beedf53964e6f7a23686",
            algorithm="md5",
            of_content=False,
        ),
    ),
    read=_read,
)
