"""A data set once it is loaded, and its registry row."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer.data.cache.stream import Stream
from trainer.data.drawn.rendered import Rendered, spread
from trainer.data.labels import Labels, no_labels
from trainer.data.official.sources import SourceFile

Images: TypeAlias = NDArray[np.uint8]
"""Images as stored: uint8 [count, channels, height, width]."""

ImageSet: TypeAlias = Images | Rendered
"""Images that are stored, or drawn when asked for: `len`, `shape` and `[slice or index array]`."""

_BLOCK = 4096  # images converted to float64 at a time
_SURVEYED_FROM, _SURVEY_SIZE = 100_000, 8192  # of more images, so many stand for all


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images to train on and images held out, as stored: divide by `levels` to get [0, 1]."""

    name: str
    """Its name in `DATASETS`, or a label."""
    train: ImageSet
    """uint8 [count, channels, height, width]; memory-mapped where it comes from files."""
    test: ImageSet
    """The held-out images, in the same form."""
    levels: int
    """The uint8 value that means 1.0."""
    sha256: str
    """Hash of both arrays, their shapes and `levels`: what `TrialSpec.dataset_sha256` asks for."""
    read_labels: Callable[[], Labels | None] = no_labels
    """Reads the labels, when they are first asked for."""

    @cached_property
    def labels(self) -> Labels | None:
        """The labels of the images; None if there are none here.

        Raises:
            UserError: if they are not those of these images.
        """
        labels = self.read_labels()
        if labels is not None:
            labels.check(self.name, len(self.train), len(self.test))
        return labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, channels, height, width = self.train.shape
        return channels, height, width

    @cached_property
    def mean_image_sse(self) -> float:
        """The sse of always returning the mean training image: no latent is needed from this τ up.

        Squared error summed over an image's pixels in [0, 1], averaged over the training images:
        E‖x‖² − ‖E x‖². The sums are of whole numbers, which float64 holds exactly. In a
        very large set, some thousand evenly spread images stand for all.
        """
        images = self.train
        if len(images) > _SURVEYED_FROM:
            images = images[spread(len(images), _SURVEY_SIZE)]
        count = len(images)
        pixel_sums = np.zeros(math.prod(self.image_shape))
        squares = 0.0
        for start in range(0, count, _BLOCK):
            block = images[start : start + _BLOCK].reshape(-1, pixel_sums.size)
            block = block.astype(np.float64)
            pixel_sums += block.sum(axis=0)
            squares += float(np.vdot(block, block))
        variance = squares / count - float(np.vdot(pixel_sums, pixel_sums)) / count**2
        return variance / self.levels**2


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """A registry row: what is known of a data set before it is read."""

    name: str
    summary: str
    """One line for people."""
    image_shape: tuple[int, int, int]
    """Channels, height, width."""
    levels: int
    """The uint8 value that means 1.0."""
    architecture: str
    """The network used unless another is asked for; a name in `trainer.networks.NETWORKS`."""
    width: int
    """Latent dimensions at the start unless others are asked for."""
    budgets: Mapping[str, int]
    """Training steps of `--budget quick|standard|paper`."""
    default_taus: str
    """The range of τ swept unless another is asked for."""
    paper_taus: tuple[float, ...] = ()
    """What `--taus paper` means; empty if no paper has a figure for this data set."""
    files: tuple[SourceFile, ...] = ()
    """The official files it is made from; empty if its images come from code."""
    read: Callable[[Sequence[Path]], tuple[ImageSet | Stream, ImageSet | Stream]]
    """Reads (train, test) from the verified `files`, given in that order; a `Stream` only from
    files, rendered images only without."""
    label_files: tuple[SourceFile, ...] = ()
    """Official files with nothing but labels. Where they are missing, there are no labels."""
    read_labels: Callable[[Sequence[Path]], Labels] | None = None
    """Reads the labels from the verified `files` and `label_files`, given in that order; None if
    the data set has none."""


def content_sha256(train: ImageSet, test: ImageSet, levels: int) -> str:
    """Hash what a trial sees: pixels, shapes and scale, but not where they came from.

    The fingerprint of a rendered set stands for its pixels.
    """
    digest = begin_sha256(train.shape, test.shape, levels)
    for images in (train, test):
        if isinstance(images, Rendered):
            digest.update(images.fingerprint())
        else:
            digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def begin_sha256(
    train_shape: tuple[int, ...], test_shape: tuple[int, ...], levels: int
) -> hashlib._Hash:
    """Begin the hash of a data set; the pixels follow, training images first."""
    header = json.dumps({"levels": levels, "train": train_shape, "test": test_shape})
    return hashlib.sha256(header.encode())
