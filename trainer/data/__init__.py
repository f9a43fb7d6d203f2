"""The data sets that can be trained on. To add one: a file in `sets/`, and a row in `DATASETS`."""

from __future__ import annotations

import functools
from pathlib import Path

from trainer.data.base import Dataset, DatasetInfo
from trainer.data.cache.by_content import is_stored, open_stored
from trainer.data.cache.store import open_dataset
from trainer.data.official.download import fetch_files
from trainer.data.official.sources import Progress
from trainer.data.sets.cars3d import CARS3D
from trainer.data.sets.cifar import CIFAR_10, CIFAR_100
from trainer.data.sets.digits import DIGITS
from trainer.data.sets.dsprites import DSPRITES
from trainer.data.sets.fashion_mnist import FASHION_MNIST
from trainer.data.sets.mnist import MNIST
from trainer.data.sets.shapes3d import SHAPES3D
from trainer.data.sets.sprites import SPRITES
from trainer.data.sets.tiles import TILES
from trainer.errors import MissingDataError, UserError, unknown_name
from trainer.registry import Registry

__all__ = ["DATASETS", "Dataset", "DatasetInfo", "Progress", "fetch", "load", "open_content"]

DATASETS = Registry(
    "data set",
    {
        row.name: row
        for row in (
            *(DIGITS, MNIST, FASHION_MNIST, SPRITES, TILES, DSPRITES, SHAPES3D, CARS3D),
            *(CIFAR_10, CIFAR_100),
        )
    },
)

_PACKAGE_ROWS = tuple(DATASETS.values())


def load(name: str, data_dir: Path | None = None, progress: Progress | None = None) -> Dataset:
    """Open a data set; takes milliseconds once its files have been converted.

    A row that a user's script added is also stored by its content, so that `open_content` finds
    it in processes that do not have the row.

    Args:
        name: a name in `DATASETS`.
        data_dir: where to look first; then in `$SWEEPER_DATA`, then in the user's cache.
        progress: called with (what is converted, bytes written, bytes in all) in a conversion.

    Raises:
        UserError: if it is unknown, not on disk, or its files are not the official ones.
    """
    row = DATASETS.find(name)
    return open_dataset(row, data_dir, progress, store=row not in _PACKAGE_ROWS)


def open_content(sha256: str, name: str, data_dir: Path | None = None) -> Dataset:
    """Open the data that a `TrialSpec` asks for: this content, whatever has this name here.

    Opening it again in the same process costs nothing.

    Args:
        sha256: `TrialSpec.dataset_sha256`.
        name: `TrialSpec.dataset`: the row to turn to if no conversion has this content.
        data_dir: where to look for that row's files, as in `load`.

    Raises:
        MissingDataError: if the content is not on this machine.
        UserError: if what is here under this name is other content, or damaged.
    """
    return _open_once(sha256, name, data_dir)


@functools.cache
def _open_once(sha256: str, name: str, data_dir: Path | None) -> Dataset:
    if is_stored(sha256):
        return open_stored(sha256, name)
    if name not in DATASETS:
        unknown = unknown_name(DATASETS.kind, name, DATASETS)
        raise MissingDataError(
            f"{unknown}, and no data with content {sha256[:12]} is on this machine; load it here "
            "first, with the script that adds its row"
        )
    dataset = load(name, data_dir)
    if dataset.sha256 != sha256:
        raise UserError(
            f"data set {name!r} changed: the trial was asked on content {sha256[:12]}, "
            f"found {dataset.sha256[:12]}"
        )
    return dataset


def fetch(
    name: str, data_dir: Path | None = None, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Download the files of a data set that are missing, and return where all of them are.

    Args:
        name: a name in `DATASETS`.
        data_dir: where to put them (in a folder `name`); the user's cache if None.
        progress: called with (file, bytes received, bytes in all or None) while a file arrives.

    Raises:
        UserError: if it is unknown, or a file cannot be downloaded, verified or written.
    """
    return fetch_files(DATASETS.find(name), data_dir, progress)
