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

from trainer.data.base import Dataset
from trainer.data.labels import Labels, encode_labels, read_labels
from trainer.errors import UserError
from trainer.files import cache_folder, write_atomic

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


def is_stored(sha256: str) -> bool:
    """Return whether the conversion with this content is on this machine."""
    return content_folder(sha256).is_dir()


def open_stored(sha256: str, name: str) -> Dataset:
    """Open a conversion that is on this machine, as data set `name`.

    Raises:
        UserError: if it is damaged.
        OSError: if it cannot be read.
    """
    folder = content_folder(sha256)
    try:
        meta = json.loads((folder / META).read_text())
        # Copy-on-write: all processes share the pages, and torch takes the array as writable.
        train = np.load(folder / TRAIN, mmap_mode="c")
        test = np.load(folder / TEST, mmap_mode="c")
        if [list(train.shape), list(test.shape)] != [meta["train_shape"], meta["test_shape"]]:
            raise ValueError(f"shapes differ from those in {META}")
        if meta["sha256"] != sha256:
            raise ValueError(f"{META} is of other content")
        labels = partial(_read_labels, name, folder, len(train))
        return Dataset(name, train, test, meta["levels"], sha256, labels)
    except (ValueError, KeyError, TypeError, EOFError, FileNotFoundError) as error:
        raise damaged_conversion_error(name, folder, error) from error


def store_labels(folder: Path, labels: Labels) -> None:
    """Write the labels of a conversion, unless it has these.

    Raises:
        OSError: if they cannot be written.
    """
    content, path = encode_labels(labels), folder / LABELS
    if not (path.is_file() and path.read_bytes() == content):
        write_atomic(path, content)


def damaged_conversion_error(name: str, folder: Path, error: Exception) -> UserError:
    """Return the error for a conversion, or a note, that cannot be read back."""
    reason = " ".join(str(error).split())
    what = "folder" if folder.is_dir() else "file"
    return UserError(f"the converted {name} in {folder} is damaged ({reason}); delete that {what}")


def _read_labels(name: str, folder: Path, train_count: int) -> Labels | None:
    try:
        return read_labels(folder / LABELS, train_count)
    except (ValueError, TypeError, EOFError) as error:
        raise damaged_conversion_error(name, folder / LABELS, error) from error
