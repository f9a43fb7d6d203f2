"""The paper's Table 1 as a picture: from 2n dimensions towards n."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.computed.compression import READ_AT, TableLine
from analysis.figures.style import BLUE, GREY, INK, WIDTH, styled
from analysis.grid import spread

SHADES = ("#8CC0E3", "#4796CB", BLUE)
"""Of the readings: the later, the darker, and the further down."""

START_MARKER: dict[str, Any] = {
    "marker": "D", "markerfacecolor": "white", "markeredgecolor": GREY, "markersize": 6,
}  # fmt: skip
"""The look of the start: a diamond, as hollow dots are readings that did not hold τ."""

READING_OFFSET = 0.2
"""From one reading down to the next, in heights of a line."""

LINE_HEIGHT = 0.46
"""Inches: four points below each other."""

DATASET_GAP = 0.4
"""Between two data sets, in heights of a line."""


@dataclass(frozen=True)
class CompressionData:
    """The lines of Table 1 that have a reading."""

    lines: tuple[TableLine, ...]
    title: str = "From 2n dimensions towards n"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        kept = [
            f"{_name(line)}: {_kept(line) or 'not read to the end'}"
            + (" (τ not held)" if line.missed[-1] else "")
            for line in self.lines
        ]
        return "Dimensions kept: " + "; ".join(kept) + "."


def compute_compression_figure(lines: Iterable[TableLine]) -> CompressionData | None:
    """Collect the lines that have a reading; None if there are none."""
    read = tuple(line for line in lines if any(line.gates))
    return CompressionData(read) if read else None


@styled
def draw_compression(data: CompressionData) -> Figure:
    """Draw a line per data set and size, in multiples of n so that all sizes compare."""
    places = _places(data.lines)
    figure = Figure(figsize=(WIDTH, 1.25 + LINE_HEIGHT * (places[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    for place, line in zip(places, data.lines, strict=True):
        _draw_line(axes, place, line)
    axes.axvline(1, color=INK, linewidth=1.6, zorder=1)
    axes.set_yticks(places, [_name(line) for line in data.lines])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(places[-1] + 0.55, -0.55)  # the first line on top
    axes.set_xlim(0, 2.08)
    axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "n/2", "n", "3n/2", "2n"])
    axes.set_xlabel("open gates")
    axes.grid(axis="x")
    last = axes.secondary_yaxis("right")
    last.set_yticks(places, [_kept(line) for line in data.lines])
    last.tick_params(length=0)
    last.spines["right"].set_visible(False)
    figure.legend(
        handles=_legend(data.lines), loc="outside upper left", ncols=5, columnspacing=0.9,
        handletextpad=0.1,
    )  # fmt: skip
    return figure


def _legend(lines: Sequence[TableLine]) -> list[Line2D]:
    """Explain the dots; the hollow ones only if there are any."""
    dots = [("start", START_MARKER)]
    dots += [(f"at {mark:g}×", _dot(number)) for number, mark in enumerate(READ_AT)]
    if any(any(line.missed) for line in lines):
        dots.append(("τ not held", _dot(-1, hollow=True)))
    return [Line2D([], [], linestyle="", label=label, **look) for label, look in dots]


def _dot(number: int, *, hollow: bool = False) -> dict[str, Any]:
    """Return the marker of a reading; hollow, where not all the seeds that were read held τ."""
    shade = SHADES[number]
    fill, edge, size = ("white", shade, 7.5) if hollow else (shade, "white", 8.5)
    return {
        "marker": "o", "markerfacecolor": fill, "markeredgecolor": edge, "markersize": size,
        "markeredgewidth": 1.8 if hollow else 1,
    }  # fmt: skip


def _places(lines: Sequence[TableLine]) -> list[float]:
    """Place lines below each other, with a gap between data sets."""
    places = [0.0]
    for before, line in pairwise(lines):
        places.append(places[-1] + (1 if line.dataset == before.dataset else 1 + DATASET_GAP))
    return places


def _draw_line(axes: Axes, place: float, line: TableLine) -> None:
    """Draw the start and, each a little lower, the readings with their ranges over seeds."""
    top = place - READING_OFFSET * len(READ_AT) / 2
    path = [(line.width / line.size, top)]
    axes.plot(*path[0], zorder=4, **START_MARKER)
    for number, (gates, missed) in enumerate(zip(line.gates, line.missed, strict=True)):
        if gates is None:
            continue
        height = top + READING_OFFSET * (number + 1)
        path.append((gates.median / line.size, height))
        axes.plot(
            [gates.low / line.size, gates.high / line.size], [height, height],
            color=SHADES[number], linewidth=3, solid_capstyle="butt", zorder=3,
        )  # fmt: skip
        axes.plot(*path[-1], zorder=4, **_dot(number, hollow=missed))
    axes.plot(*zip(*path, strict=True), color=GREY, linewidth=0.8, zorder=2)


def _name(line: TableLine) -> str:
    return f"{line.dataset}, n = {line.size}"


def _kept(line: TableLine) -> str:
    last = line.gates[-1]
    return "" if last is None else f"{spread(last)} of {line.width}"
