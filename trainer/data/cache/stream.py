"""Images that pass through memory block by block, on their way to the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.drawn.rendered import Rendered, hold_out
from trainer.errors import UserError

_BLOCK = 1024  # drawn images at a time


@dataclass(frozen=True)
class Stream:
    """Images that are too many to be held in memory at once."""

    shape: tuple[int, int, int, int]
    """Count, channels, height and width of all blocks together."""
    blocks: Callable[[], Iterator[NDArray[np.uint8]]]
    """Starts reading: uint8 [some, channels, height, width] at a time, in order."""


def as_stream(images: NDArray[np.uint8] | Rendered | Stream) -> Stream:
    """Return images as a stream: an array is one block, drawn images are drawn block by block."""
    if isinstance(images, Stream):
        return images
    count, channels, height, width = images.shape
    if isinstance(images, Rendered):
        starts = range(0, count, _BLOCK)
        return Stream(images.shape, lambda: (images[start : start + _BLOCK] for start in starts))
    return Stream((count, channels, height, width), lambda: iter([images]))


def split_stream(images: Stream, held_out: int) -> tuple[Stream, Stream]:
    """Split into a training set and `held_out` pseudo-random images; each reads all blocks once."""
    count, *image_shape = images.shape
    channels, height, width = image_shape
    test = np.zeros(count, np.bool_)
    test[hold_out(count, held_out)[1]] = True

    def part(chosen: NDArray[np.bool_]) -> Stream:
        def blocks() -> Iterator[NDArray[np.uint8]]:
            start = 0
            for block in images.blocks():
                yield block[chosen[start : start + len(block)]]
                start += len(block)

        return Stream((int(chosen.sum()), channels, height, width), blocks)

    return part(~test), part(test)


def damaged_file_error(path: Path, what: str, expected: str, found: object) -> UserError:
    """Return the error for a file that is not what its name says."""
    reason = " ".join(str(found).split())
    return UserError(
        f"{path} is not a whole {what}: expected {expected}, found {reason}; "
        "get the official file again"
    )


def missing_package_error(dataset: str, package: str) -> UserError:
    """Return the error for files that need an optional package to be read."""
    return UserError(
        f"data set {dataset!r} needs the package {package!r} to read its files, found none; "
        f"run `pip install 'bottleneck-sweeper[{dataset}]'`"
    )
