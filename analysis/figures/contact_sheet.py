"""A first look at a data set: some of its images in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROWS, COLUMNS = 8, 12


class Images(Protocol):
    """An array, or something that makes images on demand."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, which: np.ndarray, /) -> np.ndarray:
        """Return the images at these indices."""


def contact_sheet(images: Images, levels: int, path: Path) -> None:
    """Write a picture of up to 96 images, evenly spread over the set.

    Args:
        images: uint8 [count, channels, height, width], one or three channels.
        levels: the value that means 1.0.
        path: where to write; its suffix sets the format, for example `.png`.

    Raises:
        OSError: if it cannot be written.
    """
    chosen = images[np.linspace(0, len(images) - 1, ROWS * COLUMNS).round().astype(int)]
    figure = Figure(figsize=(COLUMNS * 0.6, ROWS * 0.6), facecolor="white")
    FigureCanvasAgg(figure)
    for axes, image in zip(figure.subplots(ROWS, COLUMNS).flat, chosen, strict=True):
        axes.imshow(np.moveaxis(image, 0, -1) / levels, cmap="gray", vmin=0, vmax=1)
        axes.axis("off")
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.99, wspace=0.05, hspace=0.05)
    figure.savefig(path, dpi=150)
