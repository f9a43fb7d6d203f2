"""The labels of a data set: classes, or the factors that its images were made from.

They are no part of a data set's content hash, and nothing has to have them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.errors import UserError


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the training images and of the held-out images, in the order of the images."""

    train: NDArray[np.int64]
    """[count], or [count, factors]."""
    test: NDArray[np.int64]
    """The same for the held-out images."""
    names: tuple[str, ...] = ()
    """The names of the factors; empty where labels are [count]."""

    def check(self, dataset: str, train_count: int, test_count: int) -> None:
        """Check that every image has its labels.

        Raises:
            UserError: if not; the message names the data set.
        """
        columns = (len(self.names),) if self.names else ()
        for part, count in ((self.train, train_count), (self.test, test_count)):
            if part.shape != (count, *columns) or part.dtype != np.int64:
                raise UserError(
                    f"the labels of data set {dataset!r} must be int64 of shape "
                    f"{(count, *columns)}, found {part.dtype} of shape {part.shape}"
                )
        if len(set(self.names)) < len(self.names):
            raise UserError(f"the labels of data set {dataset!r} have a name twice: {self.names}")


def no_labels() -> None:
    """Return the labels of a data set that has none."""


def encode_labels(labels: Labels) -> bytes:
    """Return the content of a .npy file: a row per image, those to train on first."""
    rows = np.concatenate([labels.train, labels.test]).astype("<i8")
    if labels.names:  # they are the names of the array's fields
        rows = rows.view([(name, "<i8") for name in labels.names]).squeeze(1)
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=False)
    return file.getvalue()


def read_labels(content: bytes, train_count: int) -> Labels:
    """Read what `encode_labels` wrote.

    Raises:
        ValueError: if it is damaged.
    """
    rows = np.load(io.BytesIO(content), allow_pickle=False)
    names = rows.dtype.names or ()
    values = rows.view("<i8").reshape(len(rows), -1) if names else rows
    return Labels(values[:train_count], values[train_count:], names)
