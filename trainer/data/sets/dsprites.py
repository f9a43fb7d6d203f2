"""dSprites (Matthey et al. 2017): the original images. `sprites` draws nearly the same ones."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from trainer.data.base import DatasetInfo, Images
from trainer.data.cache.stream import Stream, damaged_file_error, split_stream
from trainer.data.drawn.rendered import hold_out
from trainer.data.labels import Labels
from trainer.data.official.sources import SourceFile
from trainer.data.sets.sprites import FACTORS, HELD_OUT, SIDE, SPRITES

_MEMBER = "imgs.npy"
_CLASSES = "latents_classes"
_COUNT = 737_280
_BLOCK = 4096  # images read at once
_NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


def read_images(path: Path, count: int) -> Stream:
    """Read the images of a dSprites .npz, block by block: all of them would take 3 GB.

    Args:
        path: the file.
        count: images it must have.

    Raises:
        UserError: if it is no such file (now), or turns out to end early (as it is read).
    """
    shape = (count, SIDE, SIDE)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            found, in_columns, dtype = _header(member)
    except KeyError as error:
        raise damaged_file_error(path, "dSprites .npz", f"{_MEMBER} in it", "none") from error
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
        raise damaged_file_error(path, "dSprites .npz", "a zip file", error) from error
    if found != shape or in_columns or dtype != np.uint8:
        raise damaged_file_error(
            path, "dSprites .npz", f"images {shape} of uint8", f"{found} of {dtype}"
        )
    return Stream((count, 1, SIDE, SIDE), lambda: _blocks(path, count))


def read_classes(path: Path, count: int) -> NDArray[np.int64]:
    """Read which value each of `sprites`' factors has, [count, 5]; the colour is always the same.

    Raises:
        UserError: if the file has no such array.
    """
    shape = (count, 1 + len(FACTORS))
    try:
        with np.load(path, allow_pickle=False) as archive:
            classes = archive[_CLASSES]
    except (KeyError, zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
        raise damaged_file_error(path, "dSprites .npz", f"{_CLASSES} in it", error) from error
    if classes.shape != shape or classes.dtype.kind not in "iu":
        found = f"{classes.shape} of {classes.dtype}"
        raise damaged_file_error(path, "dSprites .npz", f"whole numbers {shape}", found)
    factors: NDArray[np.int64] = classes[:, 1:].astype(np.int64)
    return factors


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Read the header of an .npy file: shape, whether in Fortran order, type."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)


def _blocks(path: Path, count: int) -> Iterator[Images]:
    size = SIDE * SIDE
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            _header(member)
            for start in range(0, count, _BLOCK):
                wanted = min(_BLOCK, count - start)
                content = member.read(wanted * size)
                yield np.frombuffer(content, np.uint8).reshape(wanted, 1, SIDE, SIDE)
            if member.read(1):  # to read past the end also checks the checksum
                raise ValueError("more")
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
        raise damaged_file_error(path, "dSprites .npz", f"{count} images", error) from error


def _read(paths: Sequence[Path]) -> tuple[Stream, Stream]:
    """Hold out the images that `sprites` holds out."""
    (path,) = paths
    return split_stream(read_images(path, _COUNT), HELD_OUT)


def _read_labels(paths: Sequence[Path]) -> Labels:
    (path,) = paths
    classes = read_classes(path, _COUNT)
    train, test = hold_out(_COUNT, HELD_OUT)
    return Labels(classes[train], classes[test], tuple(FACTORS))


DSPRITES = DatasetInfo(
    name="dsprites",
    summary="737,280 squares, ellipses and hearts, 64x64 (Matthey et al.)",
    image_shape=SPRITES.image_shape,
    levels=1,
    architecture=SPRITES.architecture,
    width=SPRITES.width,
    budgets=SPRITES.budgets,
    paper_taus=SPRITES.paper_taus,
    default_taus=SPRITES.default_taus,
    files=(
        SourceFile(
            name=_NAME,
            urls=(f"https://github.com/deepmind/dsprites-dataset/raw/master/{_NAME}",),
            size=None,
            digest="d98996d3f8ee1550e06b9d4ed78d0beb478910d5",
            algorithm="git-blob",
            of_content=False,
        ),
    ),
    read=_read,
    read_labels=_read_labels,
)
