"""Writing a conversion, block by block, whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.data.base import begin_sha256
from trainer.data.cache.by_content import META, TEST, TRAIN, content_folder
from trainer.data.cache.stream import Stream
from trainer.files import cache_folder, new_folder
from trainer.local_folder import LocalFolder


def convert(
    train: Stream,
    test: Stream,
    levels: int,
    *,
    sha256: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write a conversion, unless another process has just written the same.

    Args:
        train: the images to train on.
        test: the held-out images.
        levels: the uint8 value that means 1.0.
        sha256: the content's hash, where it is not that of the pixels (a drawn set's).
        progress: called with the bytes written, and the bytes in all.

    Returns:
        The content's hash.

    Raises:
        UserError: if a file turns out to be damaged as it is read.
        OSError: if the conversion cannot be written.
    """
    parent = cache_folder() / "by-content"
    temporary = new_folder(parent, ".converting")
    try:
        hash_of_pixels = _write(train, test, levels, temporary, progress)
        sha256 = sha256 or hash_of_pixels
        shapes = {"train_shape": train.shape, "test_shape": test.shape}
        meta = {"levels": levels, **shapes, "sha256": sha256}
        LocalFolder(temporary).write(META, json.dumps(meta, indent=1).encode())
        move_into_place(temporary, content_folder(sha256))
        return sha256
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)


def move_into_place(folder: Path, target: Path) -> None:
    """Rename a folder, unless another process has put the same there.

    Raises:
        OSError: if it cannot be renamed.
    """
    try:
        folder.rename(target)
    except OSError:
        # A folder cannot be renamed onto one that has files: then another process was first.
        if not target.is_dir():
            raise


def _write(
    train: Stream,
    test: Stream,
    levels: int,
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> str:
    """Write both arrays, block by block; returns the hash of levels, shapes and pixels."""
    digest = begin_sha256(train.shape, test.shape, levels)
    total = math.prod(train.shape) + math.prod(test.shape)
    done = 0

    def written(content: memoryview) -> None:
        nonlocal done
        digest.update(content)
        done += content.nbytes
        if progress:
            progress(done, total)

    _save(folder / TRAIN, train, written)
    _save(folder / TEST, test, written)
    assert done == total
    return digest.hexdigest()


def _save(path: Path, images: Stream, written: Callable[[memoryview], None]) -> None:
    """Write a .npy file; `np.save` would need all images at once."""
    header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in images.blocks():
            content = np.ascontiguousarray(block).data
            file.write(content)
            written(content)
        file.flush()
        os.fsync(file.fileno())
