"""The paper's Figure 3: the same images as they were, and at each τ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.computed.outcomes import Outcome, compute_outcomes
from analysis.figures.reconstructions import channels_last, enlarge
from analysis.figures.style import WIDTH, styled
from analysis.format import number
from analysis.study_data import Study

LABEL = 0.95
"""Inches to the left of the images, for their names."""


@dataclass(frozen=True)
class ComparisonRow:
    """What one τ leaves of the images."""

    outcome: Outcome
    images: np.ndarray
    """uint8 of shape [count, height, width] (grey) or [count, height, width, 3]."""

    @property
    def words(self) -> str:
        """Name the row."""
        gates = self.outcome.gates
        assert gates is not None
        low, high = number(gates.low), number(gates.high)
        kept = low if low == high else f"{low}–{high}"
        lines = [f"τ = {self.outcome.tau:g}", f"{kept} of {self.outcome.width}"]
        return "\n".join(lines if self.outcome.held else [*lines, "τ not held"])


@dataclass(frozen=True)
class ComparisonData:
    """The originals, then a row for each τ, the tightest first."""

    originals: np.ndarray
    rows: tuple[ComparisonRow, ...]
    title: str = "The same images at each τ"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who cannot see it."""
        rows = "; ".join(row.words.replace("\n", ", ") for row in self.rows)
        return f"{len(self.originals)} held-out images, then their reconstructions: {rows}."


def comparison_of(study: Study) -> dict[str, ComparisonData]:
    """Compute the figure; none if no trial kept samples."""
    data = compute_comparison(study)
    return {} if data is None else {"comparison": data}


def compute_comparison(study: Study) -> ComparisonData | None:
    """Take for each τ and width the seed whose open gates are the median, the lowest of several.

    A trial whose held-out images are not the first one's is left out, as in
    `compute_reconstructions`.
    """
    originals: np.ndarray | None = None
    rows = []
    for outcome in compute_outcomes(study):
        if outcome.gates is None:
            continue
        off = (outcome.trials["open_gates"] - outcome.gates.median).abs()
        sample = study.ledger.sample(outcome.trials.loc[off.idxmin(), "trial_id"])
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
    lines = [("original", data.originals), *((row.words, row.images) for row in data.rows)]
    side = (WIDTH - LABEL) / len(data.originals)
    figure = Figure(figsize=(WIDTH, side * len(lines) * 1.08))
    grid = figure.subplots(len(lines), 1, squeeze=False)[:, 0]
    for axes, (words, images) in zip(grid, lines, strict=True):
        _show(axes, words, images)
    figure.subplots_adjust(left=LABEL / WIDTH, right=0.995, top=0.995, bottom=0.005, hspace=0.08)
    return figure


def _show(axes: Axes, words: str, images: np.ndarray) -> None:
    large = enlarge(images)
    gap = np.full_like(large[:, :, : large.shape[2] // 16], 255)
    line = np.concatenate(
        [part for image in zip(large, gap, strict=True) for part in image], axis=1
    )
    axes.imshow(line, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.axis("off")
    axes.text(-0.015, 0.5, words, transform=axes.transAxes, ha="right", va="center", fontsize=9)
