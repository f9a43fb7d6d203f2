"""The figures of a report: one file and one row of `FIGURES` each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from analysis.figures.base import FigureData, FigureRow, Picture, Place, Plot
from analysis.figures.comparison import draw_comparison
from analysis.figures.compression import draw_compression
from analysis.figures.curves import draw_curves
from analysis.figures.front import draw_front
from analysis.figures.reconstructions import draw_reconstructions
from analysis.figures.style import to_png, to_svg
from trainer.registry import Registry

__all__ = ["FIGURES", "FigureData", "FigureRow", "Picture", "Place", "Plot", "plots", "render"]


FIGURES: Registry[FigureRow] = Registry(
    "figure",
    {
        "front": FigureRow(
            draw=draw_front,
            caption="Each point is the number of latent dimensions that training left open for a "
            "tolerance τ. Lower and further left is better.",
        ),
        "reconstructions": FigureRow(
            draw=draw_reconstructions,
            caption="Held-out images and what the models along the front make of them.",
            place=Place.SECTION,
        ),
        "trajectory": FigureRow(
            draw=draw_curves,
            caption="The four quantities of the paper's Figure 1. Of one seed: pale, a batch; "
            "dark, smoothed. Of several: their median, and their range shaded. The first steps "
            "may lie above the error's axis.",
        ),
        "comparison": FigureRow(
            draw=draw_comparison,
            caption="As the paper's Figure 3: held-out images, and what is left of them at each "
            "τ, from the means of the open dimensions. Beside them, how many of the gates are "
            "open; of several seeds the range, and the images of the middle one.",
        ),
        "compression": FigureRow(
            draw=draw_compression,
            caption="The paper's Table 1 as a picture: downwards in each line, the open gates at "
            "the start and after 1×, 1.5× and 2× the baseline's steps, with their range over "
            "seeds; hollow where not every seed held τ at that step. On the right, what is left "
            "at 2×.",
        ),
        "curves": FigureRow(
            draw=draw_curves,
            caption="The four quantities of the paper's Figure 1. Pale: one batch; dark: "
            "smoothed. The first steps may lie above the error's axis.",
            place=Place.FOLDED,
        ),
    },
)


def plots(**figures: Mapping[str, FigureData]) -> tuple[Plot, ...]:
    """List figures in this order, each kind as its data by file name (without suffix)."""
    return tuple(
        Plot(name, stem, data) for name, kind in figures.items() for stem, data in kind.items()
    )


def render(computed: Iterable[Plot]) -> Iterator[Picture]:
    """Draw figures, in this order."""
    for plot in computed:
        figure = FIGURES.find(plot.name).draw(plot.data)
        title, alt = plot.data.title, plot.data.alt
        yield Picture(plot.name, plot.stem, title, alt, to_svg(figure), to_png(figure))
