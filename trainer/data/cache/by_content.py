"""The arrays of data sets on disk, in a folder named after the hash of what a trial sees.

So a worker opens exactly what a trial asks for, whatever its own registry says, and the same
images that come from different files are kept once.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.base import Dataset
from trainer.data.labels import Labels, encode_labels, read_labels
from trainer.errors import UserError
from trainer.files import cache_folder
from trainer.local_folder import LocalFolder

META, TRAIN, TEST, LABELS = "meta.json", "train.npy", "test.npy", "labels.npy"
"""The files of a conversion; `LABELS` only where there are any."""


def content_folder(sha256: str) -> Path:
    """Return where the conversion with this content is kept, whether it exists yet or not.

    Raises:
        UserError: if this is no such hash: it becomes a part of a path.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UserError(f"dataset_sha256 must be 64 hexadecimal digits, found {sha256!r}")
    return cache_folder() / "by-content" / sha256


def stored_files(sha256: str) -> LocalFolder:
    """Return that folder for reading and writing its files, none of which may be a link.

    Raises:
        UserError: if this is no such hash.
    """
    folder = content_folder(sha256)
    return LocalFolder(folder.parent.parent, folder.parent.name, folder.name)


def is_stored(sha256: str) -> bool:
    """Return whether the conversion with this content is on this machine."""
    return stored_files(sha256).exists


def open_stored(sha256: str, name: str) -> Dataset:
    """Open a conversion that is on this machine, as data set `name`.

    Raises:
        UserError: if it is damaged.
        OSError: if it cannot be read.
    """
    folder, files = content_folder(sha256), stored_files(sha256)
    try:
        meta = json.loads(files.read(META))
        train, test = _map_images(files, TRAIN), _map_images(files, TEST)
        if [list(train.shape), list(test.shape)] != [meta["train_shape"], meta["test_shape"]]:
            raise ValueError(f"shapes differ from those in {META}")
        if meta["sha256"] != sha256:
            raise ValueError(f"{META} is of other content")
        labels = partial(_read_labels, name, files, len(train))
        return Dataset(name, train, test, meta["levels"], sha256, labels)
    except (ValueError, KeyError, TypeError, EOFError, FileNotFoundError) as error:
        raise damaged_conversion_error(name, folder, error) from error


def store_labels(sha256: str, labels: Labels) -> None:
    """Write the labels of the conversion with this content, unless it has these.

    Raises:
        OSError: if they cannot be written.
    """
    content, files = encode_labels(labels), stored_files(sha256)
    if not (files.has(LABELS) and files.read(LABELS) == content):
        files.write(LABELS, content)


def damaged_conversion_error(name: str, folder: Path, error: Exception) -> UserError:
    """Return the error for a conversion, or a note, that cannot be read back."""
    reason = " ".join(str(error).split())
    what = "folder" if folder.is_dir() else "file"
    return UserError(f"the converted {name} in {folder} is damaged ({reason}); delete that {what}")


def _map_images(files: LocalFolder, name: str) -> NDArray[np.uint8]:
    """Map a .npy file of images, as `np.load` does by a path, which may lead elsewhere."""
    with files.open(name) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} is of another version of the .npy format")
        shape, column_first, dtype = np.lib.format.read_array_header_1_0(file)
        if column_first or dtype != np.uint8 or len(shape) != 4:
            raise ValueError(f"{name} holds no images, but {dtype} of shape {shape}")
        # Copy-on-write: all processes share the pages, and torch takes the array as writable.
        return np.memmap(file, np.uint8, "c", offset=file.tell(), shape=shape)


def _read_labels(name: str, files: LocalFolder, train_count: int) -> Labels | None:
    if not files.has(LABELS):
        return None
    try:
        return read_labels(files.read(LABELS), train_count)
    except (ValueError, TypeError, EOFError) as error:
        raise damaged_conversion_error(name, files.path / LABELS, error) from error
