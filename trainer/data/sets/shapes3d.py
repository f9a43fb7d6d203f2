"""Shapes3D (Burgess and Kim 2018): a solid in a room, six factors.

The file is HDF5; to convert it takes h5py: `pip install 'bottleneck-sweeper[shapes3d]'`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.data.base import DatasetInfo, Images
from trainer.data.cache.stream import (
    Stream,
    damaged_file_error,
    missing_package_error,
    split_stream,
)
from trainer.data.official.sources import SourceFile

_COUNT = 480_000
_HELD_OUT = 10_000
_BLOCK = 2_000  # images read at once
_NAME = "3dshapes.h5"


def read_images(path: Path, count: int) -> Stream:
    """Read the `images` of a Shapes3D file, block by block: all of them would take 6 GB.

    Args:
        path: the file.
        count: images it must have.

    Raises:
        UserError: if h5py is missing or it is no such file (now), or turns out to be damaged (as
            it is read).
    """
    try:
        import h5py
    except ImportError as error:
        raise missing_package_error("shapes3d", "h5py") from error
    shape = (count, 64, 64, 3)
    try:
        with h5py.File(path) as file:
            if not isinstance(file.get("images"), h5py.Dataset):
                names = ", ".join(sorted(file)) or "nothing"
                raise damaged_file_error(
                    path, "Shapes3D file", "the data set 'images' in it", names
                )
            found, dtype = file["images"].shape, file["images"].dtype
    except OSError as error:
        raise damaged_file_error(path, "Shapes3D file", "an HDF5 file", error) from error
    if found != shape or dtype != np.uint8:
        raise damaged_file_error(
            path, "Shapes3D file", f"images {shape} of uint8", f"{found} of {dtype}"
        )
    return Stream((count, 3, 64, 64), lambda: _blocks(path, count))


def _blocks(path: Path, count: int) -> Iterator[Images]:
    import h5py

    try:
        with h5py.File(path) as file:
            for start in range(0, count, _BLOCK):
                yield np.moveaxis(file["images"][start : start + _BLOCK], -1, 1)
    except OSError as error:
        raise damaged_file_error(path, "Shapes3D file", f"{count} images", error) from error


def _read(paths: Sequence[Path]) -> tuple[Stream, Stream]:
    (path,) = paths
    return split_stream(read_images(path, _COUNT), _HELD_OUT)


SHAPES3D = DatasetInfo(
    name="shapes3d",
    summary="480,000 solids in rooms, 64x64 colour (Burgess and Kim); needs h5py",
    image_shape=(3, 64, 64),
    levels=255,
    architecture="conv64",
    width=20,
    budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
    default_taus="20..120..20",
    files=(
        SourceFile(
            name=_NAME,
            urls=(f"https://storage.googleapis.com/3d-shapes/{_NAME}",),
            size=267_573_662,
            digest="0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
            of_content=False,
        ),
    ),
    read=_read,
)
