"""The paper's Figure 1: four quantities over the training of one trial."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullLocator,
    PercentFormatter,
)

from analysis.axes import COLUMNS, trial_stem
from analysis.figures.style import BLUE, INK, RED, SKY, WIDTH, styled

MAX_SAMPLES = 400
"""A panel is some 250 points wide; more samples only make the file larger."""

MAX_TRIALS, CHOSEN_TRIALS = 60, 20
"""Up to so many trials, a report shows each; of more, about so many, since no browser opens a page
of hundreds of figures."""

MARGINS = {
    "left": 0.115,
    "right": 0.985,
    "top": 0.885,
    "bottom": 0.105,
    "wspace": 0.28,
    "hspace": 0.2,
}
"""In shares of the figure and its panels: they leave room for any label, and need no computing."""

WHOLE_TICKS: dict[str, Any] = {"integer": True, "steps": [1, 2, 4, 5, 10], "min_n_ticks": 1}
"""Ticks at whole numbers that come out at 16, 32 and 8000."""


@dataclass(frozen=True)
class CurvesData:
    """What Figure 1 shows of one trial."""

    tau: float
    width: int
    curve: pd.DataFrame
    """The ledger's curve, with `error` (moving average of sse) and `smooth_hit_rate` beside it."""
    title: str
    alt: str
    band: tuple[pd.DataFrame, pd.DataFrame] | None = None
    """The lowest and highest over several seeds, if `curve` is their median; likewise."""


def choose_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return all trials, or of more than `MAX_TRIALS` a seed each of evenly spread experiments."""
    if len(trials) <= MAX_TRIALS:
        return trials
    single = trials.drop_duplicates(["dataset", *COLUMNS])
    return single.iloc[:: math.ceil(len(single) / CHOSEN_TRIALS)]


def curve_figures(trials: pd.DataFrame, curves: Mapping[str, pa.Table]) -> dict[str, CurvesData]:
    """Compute one figure per trial that has a curve (`CURVE_SCHEMA`, by trial id)."""
    return {
        f"curves/{trial_stem(trial)}": compute_curves(trial, curves[trial["trial_id"]])
        for trial in trials.to_dict("records")
        if len(curves.get(trial["trial_id"], ()))
    }


def compute_curves(trial: dict[Hashable, Any], curve: pa.Table) -> CurvesData:
    """Prepare a curve (`CURVE_SCHEMA`) of a trial (one row of `read_trials`) for drawing."""
    samples = curve.to_pandas()
    table = prepare(samples.assign(error=samples["constraint_ma"] + trial["tau"]))
    return CurvesData(
        tau=trial["tau"],
        width=trial["width"],
        curve=table,
        title=f"{trial['label']} ({trial['status']})",
        alt=describe(table),
    )


def describe(curve: pd.DataFrame) -> str:
    """Describe a figure of this curve for those who cannot see it."""
    gates = curve["open_gates"]
    return (
        f"Squared error, gates, λ' and hit rate over {curve['step'].iloc[-1]} steps: "
        f"open gates go from {gates.iloc[0]:g} to {gates.iloc[-1]:g}."
    )


def prepare(table: pd.DataFrame) -> pd.DataFrame:
    """Smooth the hit rate, and thin out to what a panel can show."""
    window = max(1, len(table) // 50)
    smooth_hit_rate = table["hit_rate"].rolling(window, min_periods=1).mean()
    table = table.assign(smooth_hit_rate=smooth_hit_rate)
    # Every n-th sample, counted from the end: the last one is what the trial reports.
    return table.iloc[:: -max(1, math.ceil(len(table) / MAX_SAMPLES))][::-1].reset_index(drop=True)


@styled
def draw_curves(data: CurvesData) -> Figure:
    """Draw the four panels of Figure 1 over the same steps."""
    figure = Figure(figsize=(WIDTH, 4.6))
    figure.subplots_adjust(**MARGINS)
    figure.suptitle(data.title, x=0.01, ha="left", fontsize=11)
    (sse, gates), (multiplier, hits) = figure.subplots(2, 2, sharex=True)
    _draw_sse(sse, data)
    _draw_gates(gates, data)
    _draw_multiplier(multiplier, data)
    _draw_hits(hits, data)
    for axes in (multiplier, hits):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, **WHOLE_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    return figure


def _draw_sse(axes: Axes, data: CurvesData) -> None:
    curve = data.curve
    axes.set_title("squared error")
    if data.band is None:
        axes.plot(curve["step"], curve["sse"], color=SKY, linewidth=0.8)
    _draw_line(axes, data, "error")
    axes.axhline(data.tau, color=RED, linewidth=1.4, label=f"τ = {data.tau:g}")
    axes.set_ylim(0, sse_limit(data))
    axes.legend(loc="upper right", handlelength=1.2)


def sse_limit(data: CurvesData) -> float:
    """Return the top of the error axis: the first steps, high above τ, would flatten the rest."""
    drawn = data.curve["sse"] if data.band is None else data.band[1]["error"]
    sse = drawn.to_numpy()
    sse = sse[np.isfinite(sse)]
    typical = float(np.percentile(sse, 97)) if len(sse) else 0.0
    return 1.15 * max(typical, 1.5 * data.tau)


def _draw_gates(axes: Axes, data: CurvesData) -> None:
    curve = data.curve
    axes.set_title("gates")
    axes.step(
        curve["step"], curve["open_gates"], where="post", color=INK, linewidth=1, label="open"
    )
    _draw_line(axes, data, "gate_l1", label="Σσ(kγ)")
    axes.set_ylim(0, max(data.width, 1) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(6, **WHOLE_TICKS))
    if data.width <= 40:  # beyond that, a line for each integer would be a grey field
        axes.yaxis.set_minor_locator(MultipleLocator(1))
        axes.tick_params(axis="y", which="minor", length=0)
    axes.grid(axis="y", which="both")
    axes.legend(loc="best", handlelength=1.2)


def _draw_multiplier(axes: Axes, data: CurvesData) -> None:
    axes.set_title("λ'")
    tables = [data.curve] if data.band is None else data.band
    values = pd.concat([table["lambda"] for table in tables])
    values = values[np.isfinite(values) & (values > 0)]
    _draw_line(axes, data, "lambda")
    axes.grid(axis="y")
    if values.empty:  # a trial that diverged at once has nothing for this axis
        return
    low, high = values.min() / 1.3, values.max() * 1.3
    high = max(high, 6 * low)  # shows at least two of the labels 1, 2, 5
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _draw_hits(axes: Axes, data: CurvesData) -> None:
    curve = data.curve
    axes.set_title("images within τ")
    if data.band is None:
        axes.plot(curve["step"], curve["hit_rate"], color=SKY, linewidth=0.8)
    _draw_line(axes, data, "smooth_hit_rate")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _draw_line(axes: Axes, data: CurvesData, column: str, label: str | None = None) -> None:
    steps = data.curve["step"]
    if data.band is not None:
        low, high = data.band
        axes.fill_between(steps, low[column], high[column], color=SKY, alpha=0.6, linewidth=0)
    axes.plot(steps, data.curve[column], color=BLUE, linewidth=1.6, label=label)


def _thousands(step: float, _position: int) -> str:
    return f"{step / 1000:g}k" if abs(step) >= 1000 else f"{step:g}"
