"""What the figures have in common: their data, how they are drawn, where a page shows them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.figure import Figure


class FigureData(Protocol):
    """What every figure's data must describe in words."""

    @property
    def title(self) -> str:
        """A few words, as a heading."""

    @property
    def alt(self) -> str:
        """What the figure shows, in a sentence or two, for those who cannot see it."""


class Place(enum.Enum):
    """Where a page shows a figure."""

    TOP = enum.auto()
    """Under the answer."""
    SECTION = enum.auto()
    """Below the tables, with a heading."""
    FOLDED = enum.auto()
    """At the end, each to be opened: there is one per trial."""


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One kind of figure. Its data are computed by the views that show it."""

    draw: Callable[[Any], Figure]
    """Draws the data; decorated with `analysis.figures.style.styled`."""
    caption: str
    """How to read it, in a sentence or two."""
    place: Place = Place.TOP


@dataclass(frozen=True)
class Plot:
    """A figure that is computed and can be drawn."""

    name: str
    """Its row in `FIGURES`."""
    stem: str
    """Its path in the report's folder, without suffix."""
    data: FigureData


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn."""

    name: str
    """Its row in `FIGURES`."""
    stem: str
    """Its path in the report's folder, without suffix."""
    title: str
    alt: str
    svg: bytes
    png: bytes
