"""The paper's Table 1 as a picture: from 2n dimensions towards n."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.efficiency import READ_AT, Efficiency, compute_pairs, summarise
from analysis.figures.style import BLUE, GREY, INK, SKY, WIDTH, styled
from analysis.study import Study

COLORS = (SKY, "#5AA5D2", BLUE)
"""Of the readings, the later the darker."""


@dataclass(frozen=True)
class CompressionData:
    """The lines of Table 1 that have a reading."""

    lines: tuple[Efficiency, ...]
    title: str = "From 2n dimensions towards n"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        said = []
        for line in self.lines:
            last = line.gates[-1]
            if last is not None:
                said.append(
                    f"{line.dataset}, n = {line.size}: from {line.width} to {last.median:g}"
                )
        return "Dimensions kept: " + "; ".join(said) + "."


def compression_of(study: Study) -> dict[str, CompressionData]:
    """Compute the figure; none if no gated trial was read."""
    lines = [line for line in summarise(compute_pairs(study)) if any(line.gates)]
    return {"compression": CompressionData(tuple(lines))} if lines else {}


@styled
def draw_compression(data: CompressionData) -> Figure:
    """Draw a line per data set and size: start, readings with their range over seeds, and n."""
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(data.lines)), layout="constrained")
    axes = figure.subplots()
    for height, line in enumerate(reversed(data.lines)):
        _draw_line(axes, height, line)
    axes.set_yticks(
        range(len(data.lines)),
        [f"{line.dataset}, n = {line.size}" for line in reversed(data.lines)],
    )
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(data.lines) - 0.4)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("dimensions")
    axes.grid(axis="x")
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named.keys(), loc="outside upper left", ncols=5, columnspacing=1,
        handletextpad=0.3,
    )  # fmt: skip
    return figure


def _draw_line(axes: Axes, height: int, line: Efficiency) -> None:
    axes.plot([0, line.width], [height, height], color="#DDDDDD", linewidth=1, zorder=1)
    axes.plot([line.size], [height], "|", color=INK, markersize=18, markeredgewidth=2, label="n")
    axes.plot(
        [line.width], [height], "o", markerfacecolor="white", markeredgecolor=GREY, markersize=8,
        label="start, 2n",
    )  # fmt: skip
    last = len(READ_AT) - 1
    for place, gates in enumerate(line.gates):
        if gates is None:
            continue
        if gates.low < gates.high and place == last:
            axes.plot([gates.low, gates.high], [height, height], color=INK, linewidth=1.4)
        # An earlier reading that the last one repeats lies hidden beneath it.
        axes.plot(
            [gates.median], [height], "o", color=COLORS[place], markeredgecolor="white",
            markersize=10 if place == last else 7, label=f"at {READ_AT[place]:g}×",
            zorder=2 + place,
        )  # fmt: skip
