"""The paper's Figure 3: the same images as they were, and at each τ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.computed.outcomes import Outcome
from analysis.figures.reconstructions import channels_last, enlarge
from analysis.figures.style import WIDTH, styled
from analysis.format import number
from sweeper.ledger.ledger import Ledger

LABEL_WIDTH = 0.95
"""Inches to the left of the images, for their captions."""


@dataclass(frozen=True)
class ComparisonRow:
    """The images as one experiment reconstructs them."""

    outcome: Outcome
    images: np.ndarray
    """uint8 of shape [count, height, width] (grey) or [count, height, width, 3]."""

    @property
    def caption(self) -> str:
        """The text to the left of the images."""
        gates = self.outcome.gates
        assert gates is not None
        low, high = number(gates.low), number(gates.high)
        kept = low if low == high else f"{low}–{high}"
        lines = [f"τ = {self.outcome.tau:g}", f"{kept} of {self.outcome.width}"]
        return "\n".join(lines if self.outcome.held else [*lines, "τ not held"])


@dataclass(frozen=True)
class ComparisonData:
    """The originals, then a row for each experiment, the lowest τ first."""

    originals: np.ndarray
    rows: tuple[ComparisonRow, ...]
    title: str = "The same images at each τ"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        rows = "; ".join(row.caption.replace("\n", ", ") for row in self.rows)
        return f"{len(self.originals)} held-out images, then their reconstructions: {rows}."


def compute_comparison(ledger: Ledger, outcomes: Iterable[Outcome]) -> ComparisonData | None:
    """Collect the samples of each experiment's median seed, the lowest of several; None if none.

    The median is that of the open gates. A trial with other held-out images than the first one's
    is left out, as in `compute_reconstructions`.
    """
    originals: np.ndarray | None = None
    rows = []
    for outcome in outcomes:
        if outcome.gates is None:
            continue
        off = (outcome.trials["open_gates"] - outcome.gates.median).abs()
        sample = ledger.sample(outcome.trials.loc[off.idxmin(), "trial_id"])
        if not sample:
            continue
        images = channels_last(sample["images"])
        originals = images if originals is None else originals
        if np.array_equal(images, originals):
            rows.append(ComparisonRow(outcome, channels_last(sample["reconstructions"])))
    return None if originals is None else ComparisonData(originals, tuple(rows))


@styled
def draw_comparison(data: ComparisonData) -> Figure:
    """Draw one line of images per row, the originals on top."""
    lines = [("original", data.originals), *((row.caption, row.images) for row in data.rows)]
    side = (WIDTH - LABEL_WIDTH) / len(data.originals)
    figure = Figure(figsize=(WIDTH, side * len(lines) * 1.08))
    grid = figure.subplots(len(lines), 1, squeeze=False)[:, 0]
    for axes, (caption, images) in zip(grid, lines, strict=True):
        _show(axes, caption, images)
    figure.subplots_adjust(
        left=LABEL_WIDTH / WIDTH, right=0.995, top=0.995, bottom=0.005, hspace=0.08
    )
    return figure


def _show(axes: Axes, caption: str, images: np.ndarray) -> None:
    large = enlarge(images)
    gap = np.full_like(large[:, :, : large.shape[2] // 16], 255)
    line = np.concatenate(
        [part for image in zip(large, gap, strict=True) for part in image], axis=1
    )
    axes.imshow(line, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.axis("off")
    axes.text(-0.015, 0.5, caption, transform=axes.transAxes, ha="right", va="center", fontsize=9)
