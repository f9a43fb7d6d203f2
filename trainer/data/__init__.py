"""The data sets that can be trained on. To add one: a file here, and a row in `DATASETS`."""

from __future__ import annotations

from pathlib import Path

from trainer.data.base import Dataset, DatasetInfo
from trainer.data.cache.store import open_dataset
from trainer.data.official.download import fetch_files
from trainer.data.official.sources import Progress
from trainer.data.sets.cars3d import CARS3D
from trainer.data.sets.cifar import CIFAR_10, CIFAR_100
from trainer.data.sets.digits import DIGITS
from trainer.data.sets.dsprites import DSPRITES
from trainer.data.sets.fashion_mnist import FASHION_MNIST
from trainer.data.sets.mnist import MNIST
from trainer.data.sets.rooms import ROOMS
from trainer.data.sets.shapes3d import SHAPES3D
from trainer.data.sets.sprites import SPRITES
from trainer.data.sets.tiles import TILES
from trainer.registry import Registry

__all__ = ["DATASETS", "Dataset", "DatasetInfo", "Progress", "fetch", "load"]

DATASETS = Registry(
    "data set",
    {
        row.name: row
        for row in (
            *(DIGITS, MNIST, FASHION_MNIST, SPRITES, ROOMS, TILES, DSPRITES, SHAPES3D, CARS3D),
            *(CIFAR_10, CIFAR_100),
        )
    },
)


def load(name: str, data_dir: Path | None = None, progress: Progress | None = None) -> Dataset:
    """Open a data set; takes milliseconds once its files have been converted.

    Args:
        name: a name in `DATASETS`.
        data_dir: where to look first; then in `$SWEEPER_DATA`, then in the user's cache.
        progress: told (what is converted, bytes written, bytes in all) if that is to be done.

    Raises:
        UserError: if it is unknown, not on disk, or its files are not the official ones.
    """
    return open_dataset(DATASETS.find(name), data_dir, progress)


def fetch(
    name: str, data_dir: Path | None = None, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Download the files of a data set that are missing, and say where all of them are.

    Args:
        name: a name in `DATASETS`.
        data_dir: where to put them (in a folder `name`); the user's cache if None.
        progress: told (file, bytes received, bytes in all or None) while a file arrives.

    Raises:
        UserError: if it is unknown, or a file cannot be downloaded, verified or written.
    """
    return fetch_files(DATASETS.find(name), data_dir, progress)
