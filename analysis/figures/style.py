"""How every figure looks, and how it becomes bytes."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure

WIDTH = 5.0
"""Inches. Narrow, so that the text of 9 pt and more can still be read when a phone shrinks it."""

# Okabe and Ito's colours, which the colour-blind tell apart; nothing is shown by colour alone.
INK = "#222222"
BLUE = "#0072B2"
SKY = "#9ECAE8"
RED = "#C8321A"
ORANGE = "#B36B00"
GREY = "#767676"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib and has the Greek letters
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "figure.facecolor": "white",
    "svg.fonttype": "path",  # looks the same wherever it is opened, whatever fonts are there
    "svg.hashsalt": "bottleneck-sweeper",  # the same figure gives the same bytes
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make `draw` use the common style, and leave matplotlib's settings as they were.

    A layout that depends on the content is computed here, once: otherwise each saving would compute
    it anew, which takes half the time.
    """

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            figure = draw(*args, **kwargs)
            if figure.get_layout_engine() is not None:
                figure.draw_without_rendering()
                figure.set_layout_engine("none")
            return figure

    return wrapper


def to_svg(figure: Figure) -> bytes:
    """Write a figure as SVG, its text as outlines."""
    return _save(figure, "svg", metadata={"Date": None})


def to_png(figure: Figure) -> bytes:
    """Write a figure as PNG with 192 pixels an inch, twice what a plain screen shows."""
    return _save(figure, "png", dpi=192)


def _save(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
