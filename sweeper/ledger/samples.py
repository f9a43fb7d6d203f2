"""A trial's sample images as a file: held-out images, and what its model makes of them."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

NAMES = ("images", "reconstructions")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MAX_BYTES = 2**28
"""Of both together, decompressed."""
CHANNELS = (1, 3)
MAX_SIDE = 2**13
"""Pixels, or images."""


def encode_samples(samples: Mapping[str, np.ndarray]) -> bytes:
    """Write sample images: `images` and `reconstructions`, uint8 [count, channels, height, width].

    The same images are always the same bytes.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **samples)
    return buffer.getvalue()


def decode_samples(content: bytes) -> dict[str, np.ndarray]:
    """Read what `encode_samples` wrote.

    Raises:
        ValueError: if it is damaged, or larger or other than what is ever written.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_directory(archive.infolist())
            arrays = {name: _array(archive.read(f"{name}.npy")) for name in NAMES}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(str(error)) from error  # RuntimeError: it asks for a password
    if len({array.shape for array in arrays.values()}) > 1:
        raise ValueError("its images and their reconstructions are of different shapes")
    return arrays


def _check_directory(files: list[zipfile.ZipInfo]) -> None:
    if sorted(file.filename for file in files) != [f"{name}.npy" for name in NAMES]:
        raise ValueError(f"it does not hold {' and '.join(NAMES)}")
    if any(file.compress_type not in METHODS for file in files):
        raise ValueError("it is compressed in another way")
    if sum(file.file_size for file in files) > MAX_BYTES:
        raise ValueError(f"it is of more than {MAX_BYTES:,} bytes, decompressed")


def _array(content: bytes) -> np.ndarray:
    """Read an array that is as large as its file says, before any memory is taken for it."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its arrays are of another format")
    shape, _, kind = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 4 or shape[1] not in CHANNELS or not 0 < min(shape) <= max(shape) <= MAX_SIDE:
        raise ValueError(f"it holds no images, but an array of shape {shape}"[:200])
    if kind != np.uint8 or math.prod(shape) != len(content) - file.tell():
        raise ValueError(f"it holds {kind} of shape {shape} in {len(content):,} bytes")
    return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
