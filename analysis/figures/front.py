"""The paper's Figure 2: the dimensions that are kept as a function of τ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from analysis.computed.front import FrontData, FrontPoint
from analysis.figures.reconstructions import (
    COLUMNS,
    ReconstructionsData,
    draw_strip,
)
from analysis.figures.style import BLUE, GREY, INK, ORANGE, RED, SKY, WIDTH, styled
from sweeper.ledger.units import counted
from trainer.verdict import Status

# Trials that are no points of the front: hollow, and each of its own shape. Those that failed
# have no gates to show.
OTHERS: dict[Status, dict[str, Any]] = {
    Status.UNSETTLED: {"marker": "s", "markeredgecolor": ORANGE, "label": "unsettled"},
    Status.INFEASIBLE: {"marker": "v", "markeredgecolor": RED, "label": "infeasible"},
    Status.DIVERGED: {"marker": "X", "markeredgecolor": INK, "label": "diverged"},
}
WIDTH_MARKERS = "oDPhp*"


@dataclass(frozen=True)
class FrontFigureData:
    """Everything that the figure shows."""

    points: pd.DataFrame
    """One row per `FrontPoint`."""
    others: dict[Status, pd.DataFrame]
    """`tau` and `open_gates` of the trials of each other status that occurs."""
    knee: FrontPoint | None
    strip: ReconstructionsData | None
    """One held-out image along the front."""
    title: str = "Dimensions kept at each tolerance"

    @property
    def line(self) -> pd.DataFrame:
        """The front's points in the order in which a line joins them: from low τ to high."""
        front = self.points[self.points["on_front"]]
        return front.sort_values(["tau", "open_gates"], ascending=[True, False])

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        front = "; ".join(
            f"τ = {row.tau:g}: {row.open_gates} open gates" for row in self.line.itertuples()
        )
        others = [counted(len(trials), f"{status} trial") for status, trials in self.others.items()]
        return ". ".join(["The front: " + (front or "empty"), *others]) + "."


def front_figures(
    trials: pd.DataFrame, front: FrontData, reconstructions: ReconstructionsData | None
) -> dict[str, FrontFigureData]:
    """Compute the figure; none if no trial has gates to show."""
    data = compute_front_figure(trials, front, reconstructions)
    return {} if data.points.empty and not data.others else {"front": data}


def compute_front_figure(
    trials: pd.DataFrame, front: FrontData, reconstructions: ReconstructionsData | None
) -> FrontFigureData:
    """Collect the points, the trials that are none, and one image along the front."""
    shown = trials[trials["open_gates"].notna()]
    by_status = {status: shown[shown["status"] == status] for status in OTHERS}
    return FrontFigureData(
        points=front.points,
        others={
            status: others[["tau", "open_gates"]]
            for status, others in by_status.items()
            if not others.empty
        },
        knee=front.knee,
        strip=reconstructions.first() if reconstructions else None,
    )


@styled
def draw_front(data: FrontFigureData) -> Figure:
    """Draw the front, the trials that are not on it, and the strip of images below."""
    if data.strip is None:
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        _draw_plot(figure, data)
        return figure
    figure = Figure(figsize=(WIDTH, 5.1), layout="constrained")
    parts = figure.subfigures(2, 1, height_ratios=[3.9, 1.2], hspace=0.04, squeeze=False)
    _draw_plot(parts[0, 0], data)
    draw_strip(parts[1, 0].subplots(1, COLUMNS + 1), data.strip)
    return figure


def _draw_plot(figure: FigureBase, data: FrontFigureData) -> None:
    axes = figure.subplots()
    _draw_points(axes, data)
    for status, trials in data.others.items():
        axes.plot(
            trials["tau"],
            trials["open_gates"],
            **OTHERS[status],
            linestyle="none",
            markerfacecolor="none",
            markersize=9,
            zorder=4,
        )
    axes.set_xlabel("tolerance τ (squared error per image)")
    axes.set_ylabel("open gates ‖ν‖₀")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(0, axes.get_ylim()[1] + 0.5)
    axes.grid(axis="y")
    if data.knee:
        _mark_knee(axes, data.knee)
    figure.legend(loc="outside upper left", ncols=2, columnspacing=1.2, handletextpad=0.5)


def _draw_points(axes: Axes, data: FrontFigureData) -> None:
    # Between two τ that were tried, the model of the lower one still serves: hence the steps.
    axes.step(data.line["tau"], data.line["open_gates"], where="post", color=BLUE, linewidth=1.4)
    several_widths = data.points["width"].nunique() > 1
    for number, (width, points) in enumerate(data.points.groupby("width")):
        for on_front, color in ((True, BLUE), (False, SKY)):
            chosen = points[points["on_front"] == on_front]
            if not chosen.empty:
                axes.plot(
                    chosen["tau"],
                    chosen["open_gates"],
                    marker=WIDTH_MARKERS[number % len(WIDTH_MARKERS)],
                    linestyle="none",
                    color=color,
                    markersize=8,
                    markeredgecolor="white",
                    zorder=3,
                    label=_name(on_front, int(width) if several_widths else None),
                )
    _draw_ranges(axes, data.points)


def _name(on_front: bool, width: int | None) -> str:
    if width is None:
        return "front" if on_front else "feasible, not on the front"
    return f"{'front' if on_front else 'not on the front'}, width {width}"


def _draw_ranges(axes: Axes, points: pd.DataFrame) -> None:
    spread = points[points["open_gates_min"] < points["open_gates_max"]]
    if spread.empty:
        return
    gates = spread["open_gates"]
    axes.errorbar(
        spread["tau"],
        gates,
        yerr=[gates - spread["open_gates_min"], spread["open_gates_max"] - gates],
        fmt="none",
        ecolor=INK,
        elinewidth=1.2,
        capsize=4,
        label="range of seeds (point: median)",
        zorder=2.5,
    )


def _mark_knee(axes: Axes, knee: FrontPoint) -> None:
    axes.plot(
        [knee.tau],
        [knee.open_gates],
        marker="o",
        markersize=15,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.4,
        zorder=5,
    )
    # A front falls from the upper left: above and right of the knee there is room, and the left
    # edge is held at the middle so that the words end inside the axes.
    to_fraction = axes.transData + axes.transAxes.inverted()
    x, y = to_fraction.transform((knee.tau, knee.open_gates))
    axes.annotate(
        f"knee: {knee.open_gates} of {knee.width} at τ = {knee.tau:g}",
        xy=(knee.tau, knee.open_gates),
        xytext=(min(x + 0.06, 0.5), min(y + 0.17, 0.94)),
        textcoords="axes fraction",
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        arrowprops={"arrowstyle": "-", "color": GREY, "shrinkB": 9},
    )
