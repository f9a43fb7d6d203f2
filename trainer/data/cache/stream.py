"""Images that pass through memory block by block, on their way from official files to the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data.drawn.rendered import hold_out
from trainer.errors import UserError


@dataclass(frozen=True)
class Stream:
    """Images too many to be held at once."""

    shape: tuple[int, int, int, int]
    """Count, channels, height and width of all blocks together."""
    blocks: Callable[[], Iterator[NDArray[np.uint8]]]
    """Starts reading: uint8 [some, channels, height, width] at a time, in order."""


def whole(images: NDArray[np.uint8]) -> Stream:
    """Make an array a stream of one block."""
    count, channels, height, width = images.shape
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
    """Build the error for a file that is not what its name says."""
    reason = " ".join(str(found).split())
    return UserError(
        f"{path} is not a whole {what}: expected {expected}, found {reason}; "
        "get the official file again"
    )


def missing_package_error(dataset: str, package: str) -> UserError:
    """Build the error for files that an optional package is needed to read."""
    return UserError(
        f"data set {dataset!r} needs the package {package!r} to read its files, found none; "
        f"run `pip install 'bottleneck-sweeper[{dataset}]'`"
    )
