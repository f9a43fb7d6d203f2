"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary form, 32×32 enlarged to 64×64.

The paper enlarges without saying how. Here it is bilinear: every new pixel lies a quarter of an
old pixel from an old one's centre, so it is 9, 3, 3 and 1 sixteenths of the four around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trainer.data.base import DatasetInfo, Images
from trainer.data.cache.stream import Stream, damaged_file_error
from trainer.data.labels import Labels
from trainer.data.official.archive import read_members
from trainer.data.official.sources import SourceFile

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_BLOCK = 1000  # images enlarged at once
_URL = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Layout:
    """Where the images and labels are in an archive."""

    train: tuple[str, ...]
    test: str
    labels: tuple[str, ...]
    """What each of the bytes before an image's 3 × 32 × 32 is."""
    per_file: int
    """Images in each training file."""
    held_out: int = 10_000
    """Images in the held-out file."""


CIFAR_10_LAYOUT = Layout(
    train=tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    test="cifar-10-batches-bin/test_batch.bin",
    labels=("class",),
    per_file=10_000,
)
CIFAR_100_LAYOUT = Layout(
    train=("cifar-100-binary/train.bin",),
    test="cifar-100-binary/test.bin",
    labels=("coarse", "fine"),
    per_file=50_000,
)


def enlarge(images: Images) -> Images:
    """Double height and width, bilinear with the edges repeated; rounds once, half up.

    Args:
        images: uint8 [count, channels, height, width].

    Returns:
        uint8 [count, channels, 2·height, 2·width].
    """
    wide = _double(_double(images.astype(np.uint16), axis=2), axis=3)
    return ((wide + 8) >> 4).astype(np.uint8)


def read_archive(layout: Layout, paths: Sequence[Path]) -> tuple[Stream, Stream]:
    """Read the archive of one of the two sets; enlarges as the streams are read.

    Raises:
        UserError: if it cannot be read, or a file in it is missing or of another size.
    """
    *train, test = [_images(records, layout) for records in _records(layout, paths)]
    return _enlarged(train), _enlarged([test])


def read_labels(layout: Layout, paths: Sequence[Path]) -> Labels:
    """Read the labels in the archive of one of the two sets.

    Raises:
        UserError: as `read_archive` does.
    """
    *train, test = [
        records[:, : len(layout.labels)].astype(np.int64) for records in _records(layout, paths)
    ]
    if len(layout.labels) == 1:
        return Labels(np.concatenate(train)[:, 0], test[:, 0])
    return Labels(np.concatenate(train), test, layout.labels)


def _records(layout: Layout, paths: Sequence[Path]) -> list[Images]:
    """Read the files of an archive, each as [count, bytes of labels and pixels]; held-out last."""
    (path,) = paths
    counts = dict.fromkeys(layout.train, layout.per_file) | {layout.test: layout.held_out}
    content = dict(read_members(path, counts.__contains__))
    return [_parse(path, content, name, layout, count) for name, count in counts.items()]


def _parse(path: Path, content: dict[str, bytes], name: str, layout: Layout, count: int) -> Images:
    size = count * (len(layout.labels) + _PIXELS)
    if name not in content:
        raise damaged_file_error(path, "CIFAR archive", f"{name} in it", "none")
    if len(content[name]) != size:
        raise damaged_file_error(
            path, "CIFAR archive", f"{size} bytes in {name}", len(content[name])
        )
    return np.frombuffer(content[name], np.uint8).reshape(count, -1)


def _images(records: Images, layout: Layout) -> Images:
    return records[:, len(layout.labels) :].reshape(-1, 3, _SIDE, _SIDE)


def _enlarged(files: list[Images]) -> Stream:
    def blocks() -> Iterator[Images]:
        for images in files:
            for start in range(0, len(images), _BLOCK):
                yield enlarge(images[start : start + _BLOCK])

    return Stream((sum(map(len, files)), 3, 2 * _SIDE, 2 * _SIDE), blocks)


def _double(values: np.ndarray, axis: int) -> np.ndarray:
    """Replace each value along an axis by (1 before + 3 here) and (3 here + 1 after)."""
    values = np.moveaxis(values, axis, -1)
    before = np.concatenate([values[..., :1], values[..., :-1]], axis=-1)
    after = np.concatenate([values[..., 1:], values[..., -1:]], axis=-1)
    pairs = np.stack([before + 3 * values, 3 * values + after], axis=-1)
    return np.moveaxis(pairs.reshape(*values.shape[:-1], -1), -1, axis)


def _info(name: str, summary: str, layout: Layout, size: int, sha256: str) -> DatasetInfo:
    file = f"{name}-binary.tar.gz"
    return DatasetInfo(
        name=name,
        summary=summary,
        image_shape=(3, 2 * _SIDE, 2 * _SIDE),
        levels=255,
        architecture="conv64",
        width=60,
        budgets={"quick": 12_000, "standard": 50_000, "paper": 200_000},
        default_taus="150..400..50",
        files=(
            SourceFile(name=file, urls=(_URL + file,), size=size, digest=sha256, of_content=False),
        ),
        read=partial(read_archive, layout),
        read_labels=partial(read_labels, layout),
    )


CIFAR_10 = _info(
    "cifar-10",
    "60,000 photos of ten kinds of things, enlarged to 64x64 colour (Krizhevsky)",
    CIFAR_10_LAYOUT,
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
CIFAR_100 = _info(
    "cifar-100",
    "60,000 photos of a hundred kinds of things, enlarged to 64x64 colour (Krizhevsky)",
    CIFAR_100_LAYOUT,
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)
