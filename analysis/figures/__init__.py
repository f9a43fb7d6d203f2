"""The figures of a report: one file and one row of `FIGURES` each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.figure import Figure

from analysis.figures.comparison import comparison_of, draw_comparison
from analysis.figures.compression import compression_of, draw_compression
from analysis.figures.curves import curves_of, draw_curves
from analysis.figures.front import draw_front, front_of
from analysis.figures.reconstructions import draw_reconstructions, reconstructions_of
from analysis.figures.style import to_png, to_svg
from analysis.figures.trajectory import courses_of, draw_course
from analysis.study_data import Study

__all__ = ["FIGURES", "FigureData", "FigureRow", "Picture", "render"]


class FigureData(Protocol):
    """What every figure's data can say about itself in words."""

    @property
    def title(self) -> str:
        """A few words, as a heading."""

    @property
    def alt(self) -> str:
        """What is to be seen, in a sentence or two."""


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One kind of figure: computed from a study, then drawn."""

    compute: Callable[[Study], Mapping[str, FigureData]]
    """Gives the data of each figure by the file name (without suffix) it is written under."""
    draw: Callable[[Any], Figure]
    """Draws what `compute` gave; decorated with `analysis.figures.style.styled`."""
    caption: str
    """How to read it, in a sentence or two."""
    per_trial: bool = False
    """Whether there is one per trial; the report then folds them away."""


FIGURES: dict[str, FigureRow] = {
    "front": FigureRow(
        compute=front_of,
        draw=draw_front,
        caption="Each point is the number of latent dimensions that training left open for a "
        "tolerance τ. Lower and further left is better.",
    ),
    "reconstructions": FigureRow(
        compute=reconstructions_of,
        draw=draw_reconstructions,
        caption="Held-out images and what the models along the front make of them.",
    ),
    "course": FigureRow(
        compute=courses_of,
        draw=draw_course,
        caption="The four quantities of the paper's Figure 1. Of one seed: pale, a batch; dark, "
        "smoothed. Of several: their median, and their range shaded. The first steps may lie above "
        "the error's axis.",
    ),
    "comparison": FigureRow(
        compute=comparison_of,
        draw=draw_comparison,
        caption="As the paper's Figure 3: held-out images, and what is left of them at each τ, "
        "from the means of the open dimensions. Beside them, how many of the gates are open; of "
        "several seeds the range, and the images of the middle one.",
    ),
    "compression": FigureRow(
        compute=compression_of,
        draw=draw_compression,
        caption="The paper's Table 1 as a picture: downwards in each line, the open gates at the "
        "start and after 1×, 1.5× and 2× the baseline's steps, with their range over seeds; hollow "
        "where not every seed held τ at that step. On the right, what is left at 2×.",
    ),
    "curves": FigureRow(
        compute=curves_of,
        draw=draw_curves,
        caption="The four quantities of the paper's Figure 1. Pale: one batch; dark: smoothed. "
        "The first steps may lie above the error's axis.",
        per_trial=True,
    ),
}


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


def render(study: Study, names: Iterable[str]) -> Iterator[Picture]:
    """Draw those of these figures that a study has the data for, in this order."""
    for name in names:
        row = FIGURES[name]
        for stem, data in row.compute(study).items():
            figure = row.draw(data)
            yield Picture(name, stem, data.title, data.alt, to_svg(figure), to_png(figure))
