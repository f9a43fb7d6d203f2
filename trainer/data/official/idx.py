"""The IDX format of MNIST: magic 0 0 type dimensions, one big-endian length each, then values."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.labels import Labels
from trainer.data.official.sources import READ_ERRORS, explain, open_content
from trainer.errors import UserError

_UNSIGNED_BYTE = 8
_IMAGE_DIMENSIONS, _LABEL_DIMENSIONS = 3, 1


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, uncompressed or (named `.gz`) gzip.

    Args:
        path: the file.
        dimensions: the number it must have: 3 for images, 1 for labels.

    Returns:
        uint8 array of the shape that the header gives.

    Raises:
        UserError: if the file cannot be read, is no such IDX file, or is too short or too long;
            names the file, what was expected and what was found.
    """
    try:
        with open_content(path) as file:
            content = file.read()
    except READ_ERRORS as error:
        raise _damaged_error(path, explain(error)) from error
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if content[:4] != magic:
        raise _mismatch_error(
            path, f"the magic number {magic.hex()}", content[:4].hex() or "nothing"
        )
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _mismatch_error(path, f"a header of {header} bytes", f"{len(content)} bytes in all")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if not all(shape):
        raise _mismatch_error(path, "at least one value in each dimension", f"the shape {shape}")
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise _mismatch_error(
            path, f"{expected} bytes for the shape {shape}", f"{len(content)} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_image_pair(paths: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the files of training and of held-out grey images, each as [count, 1, height, width].

    Raises:
        UserError: as `read_idx` does.
    """
    train, test = (read_idx(path, _IMAGE_DIMENSIONS)[:, np.newaxis] for path in paths)
    return train, test


def read_label_pair(paths: Sequence[Path]) -> Labels:
    """Read the labels of a set whose label files come after its two image files.

    Raises:
        UserError: as `read_idx` does.
    """
    _, _, *label_paths = paths
    train, test = (read_idx(path, _LABEL_DIMENSIONS).astype(np.int64) for path in label_paths)
    return Labels(train, test)


def _mismatch_error(path: Path, expected: str, found: str) -> UserError:
    return _damaged_error(path, f"expected {expected}, found {found}")


def _damaged_error(path: Path, fault: str) -> UserError:
    return UserError(
        f"{path} is not a whole IDX file of unsigned bytes: {fault}; get the official file again"
    )
