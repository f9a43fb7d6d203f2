"""Held-out images beside their reconstructions by the models along the front."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.computed.front import FrontData, FrontPoint
from analysis.figures.style import BLUE, INK, WIDTH, styled
from sweeper.ledger.ledger import Ledger

COLUMNS = 5
"""Points of the front that are shown."""
IMAGES = 5
"""Held-out images that are shown."""
MIN_SIDE = 96
"""Pixels to which small images are enlarged, so that no viewer blurs their pixels."""


@dataclass(frozen=True)
class Column:
    """The reconstructions of one point of the front."""

    point: FrontPoint
    images: np.ndarray
    """uint8 of shape [count, height, width] (grey) or [count, height, width, 3]."""
    recommended: bool


@dataclass(frozen=True)
class ReconstructionsData:
    """The same held-out images before and after, little error first."""

    originals: np.ndarray
    """uint8 of shape [count, height, width] (grey) or [count, height, width, 3]."""
    columns: tuple[Column, ...]
    title: str = "Reconstructions along the front"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        shown = ", ".join(_caption(column.point).replace("\n", " with ") for column in self.columns)
        return f"{len(self.originals)} held-out images, then their reconstructions at {shown}."

    def first(self) -> ReconstructionsData:
        """Keep the first image only."""
        columns = tuple(replace(column, images=column.images[:1]) for column in self.columns)
        return replace(self, originals=self.originals[:1], columns=columns)


def compute_reconstructions(ledger: Ledger, front: FrontData) -> ReconstructionsData | None:
    """Collect the samples of points spread along the front; None if there are none.

    A trial with other held-out images than the first one's is left out: its reconstructions would
    stand beside the wrong originals.
    """
    originals: np.ndarray | None = None
    columns = []
    for point in choose(front):
        sample = ledger.sample(point.trial_id)
        if not sample:
            continue
        images = channels_last(sample["images"])
        originals = images if originals is None else originals
        if np.array_equal(images, originals):
            made = channels_last(sample["reconstructions"])
            recommended = front.knee is not None and point == front.recommended
            columns.append(Column(point, made[:IMAGES], recommended))
    return None if originals is None else ReconstructionsData(originals[:IMAGES], tuple(columns))


def choose(front: FrontData, count: int = COLUMNS) -> list[FrontPoint]:
    """Choose at most `count` points spread evenly along the front, with both ends and the knee."""
    distinct = {(point.open_gates, point.error): point for point in reversed(front.front)}
    points = list(
        reversed(distinct.values())
    )  # of equal points the first: the knee is the first, too
    if len(points) <= count:
        return points
    chosen = np.linspace(0, len(points) - 1, count).round().astype(int)
    if front.knee is not None:
        knee = points.index(front.knee)
        inner = 1 + int(np.argmin(np.abs(chosen[1:-1] - knee)))
        if knee not in chosen:
            chosen[inner] = knee
    return [points[index] for index in chosen]


@styled
def draw_reconstructions(data: ReconstructionsData) -> Figure:
    """Draw one column of images per point, the originals first."""
    image = WIDTH / (COLUMNS + 1) - 0.08  # inches, less the space between the axes
    height = image * len(data.originals) * 13 / 12 + 0.42
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    draw_strip(figure.subplots(1, COLUMNS + 1, squeeze=False)[0], data)
    return figure


def draw_strip(axes: np.ndarray, data: ReconstructionsData) -> None:
    """Draw the originals into the first of the axes and a column into each of the next."""
    for each in axes:
        each.axis("off")
    _show(axes[0], data.originals, "original")
    for each, column in zip(axes[1:], data.columns, strict=False):  # a short front leaves room
        _show(each, column.images, _caption(column.point), bold=column.recommended)


def _show(axes: Axes, images: np.ndarray, caption: str, bold: bool = False) -> None:
    axes.imshow(_stack(images), cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_title(
        caption,
        loc="center",
        fontsize=9,
        fontweight="bold" if bold else "normal",
        color=BLUE if bold else INK,
    )


def _caption(point: FrontPoint) -> str:
    gates = "gate" if point.open_gates == 1 else "gates"
    return f"τ = {point.tau:g}\n{point.open_gates} {gates}"


def channels_last(images: np.ndarray) -> np.ndarray:
    """Bring [count, channels, height, width] into the order in which images are drawn."""
    return images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, -1)


def enlarge(images: np.ndarray) -> np.ndarray:
    """Repeat pixels until an image has `MIN_SIDE` of them a side."""
    factor = max(1, -(-MIN_SIDE // images.shape[1]))
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def _stack(images: np.ndarray) -> np.ndarray:
    """Stack images below each other, enlarged, with white between them."""
    large = enlarge(images)
    gap = np.full_like(large[:, : MIN_SIDE // 12], 255)
    return np.concatenate([large, gap], axis=1).reshape(-1, *large.shape[2:])[: -gap.shape[1]]
