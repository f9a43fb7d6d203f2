"""What De Boom et al. report, compared with what was found here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import pandas as pd

from analysis.format import listed, number
from analysis.grid import Grid, GridRow, spread
from analysis.seeds import Spread
from analysis.study_data import StudyData
from trainer.spec import TrialSpec

FIGURE_1 = {10_000: 9, 20_000: 6, 25_000: 5}
"""dSprites, 10 dimensions: open gates by step (section 4.1). The text does not give its τ."""

FIGURE_2 = {3.0: 27, 30.0: 2}
"""MNIST, 32 dimensions: the front's ends, open gates by τ (section 4.2)."""

FIGURE_3 = {20.0: 5, 25.0: 5, 35.0: 3}
"""dSprites: open gates by τ (section 4.3). The text says 20 and 35, the caption 25 and 35."""


class Line(NamedTuple):
    """One line of Table 1."""

    error: float
    gates: tuple[int, int, int]
    """After 200K, 300K and 400K batches."""


TABLE_1 = {
    "dsprites": {
        5: Line(9.48, (7, 6, 6)),
        10: Line(8.83, (7, 6, 6)),
        30: Line(6.14, (13, 12, 10)),
    },
    "cars3d": {
        5: Line(94.42, (6, 5, 5)),
        10: Line(65.67, (14, 13, 12)),
        30: Line(60.97, (21, 17, 16)),
    },
    "shapes3d": {
        5: Line(36.73, (6, 6, 6)),
        10: Line(19.53, (9, 9, 9)),
        30: Line(18.74, (20, 15, 11)),
    },
    "mnist": {
        5: Line(17.07, (5, 5, 5)),
        10: Line(9.49, (10, 9, 9)),
        30: Line(7.16, (14, 14, 14)),
    },
    "cifar-100": {
        5: Line(325.87, (6, 6, 6)),
        10: Line(249.1, (10, 10, 10)),
        30: Line(147.8, (31, 30, 30)),
    },
}
"""By data set and n (section 4.4)."""

NETWORKS = {"mnist": "conv28"}
"""The paper's network by data set; conv64 for the others."""

STANDS_FOR = {"sprites": "dsprites"}
"""Data sets that are drawn here in place of the paper's."""

WITHOUT_SPLIT = frozenset({"dsprites", "cars3d", "shapes3d"})
"""Data sets that come as one set of images, of which this project holds some out."""

STEPS = {"trajectory": 50_000, "pareto": 1_875_000, "compression": 200_000}
"""The paper's, by study; it gives none for its Figure 3. 2000 epochs of MNIST are 1,875,000."""


DEFAULTS = {field.name: field.default for field in fields(TrialSpec)}
"""The paper's, by field."""


@dataclass(frozen=True)
class PaperValue:
    """One number of the paper, and ours."""

    dataset: str
    quantity: str
    paper: float
    ours: Spread | None
    """Over the trials that hold τ; None if none does, or none was measured."""


@dataclass(frozen=True)
class PaperComparison:
    """The paper's numbers beside ours, and what else differs."""

    grid: Grid
    deviations: tuple[str, ...]
    """Sentences on what was trained differently."""


def original(dataset: str) -> str:
    """Return the name of the paper's data set that one of ours stands for."""
    return STANDS_FOR.get(dataset, dataset)


def compare_with_paper(study: StudyData, values: Sequence[PaperValue]) -> PaperComparison | None:
    """Compare a study with what the paper reports of it; None if that is nothing."""
    if not values:
        return None
    return PaperComparison(paper_comparison(values), tuple(deviations(study)))


def paper_comparison(values: Iterable[PaperValue]) -> Grid:
    """Return a table of the paper's numbers and ours; blank where there is none of ours."""
    rows, data = [], []
    for value in values:
        ours = value.ours
        difference = None if ours is None else ours.median - value.paper
        write = _with_decimals_of(value.paper)
        rows.append(
            GridRow(
                (
                    value.dataset,
                    value.quantity,
                    f"{value.paper:g}",
                    "" if ours is None else spread(ours, write),
                    "" if difference is None else _signed(difference, write),
                    "" if ours is None else str(ours.count),
                )
            )
        )
        data.append(_record(value, difference))
    return Grid(
        name="paper",
        title="Compared with the paper",
        columns=("data set", "quantity", "paper", "here", "difference", "seeds"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        text=frozenset({"data set", "quantity"}),
        note="Blank: not measured, or τ not held. With several seeds: the median and, in brackets, "
        "their range.",
    )


def deviations(study: StudyData) -> list[str]:
    """List how this study differs from the paper's, each time naming the data sets concerned."""
    about: dict[str, list[str]] = {}
    for dataset, setting in study.manifest.settings.items():
        if original(dataset) in TABLE_1:
            for text in _deviations(study.name, dataset, setting):
                about.setdefault(text, []).append(dataset)
    return [f"{listed(datasets)}: {text}" for text, datasets in about.items()]


def _deviations(study: str, dataset: str, setting: Mapping[str, Any]) -> list[str]:
    found = []
    if dataset in STANDS_FOR:
        found.append(f"drawn from the factors of {STANDS_FOR[dataset]}, not its original images")
    if original(dataset) in WITHOUT_SPLIT:
        found.append("some images are held out and not trained on; the paper names no split")
    if study == "trajectory":
        found.append("τ as asked for; the paper does not say which it took")
    if not {"steps", "layers", "architecture", "objective"} <= setting.keys():
        return found  # rebuilt from rows that do not tell
    steps = STEPS.get(study)
    if steps is None:
        found.append(f"{setting['steps']:,} steps; the paper does not say how many it took")
    elif setting["steps"] != steps:
        share = number(100 * setting["steps"] / steps)
        found.append(f"{setting['steps']:,} steps, the paper {steps:,} ({share} %)")
    network = NETWORKS.get(dataset, "conv64")
    layers = ", ".join(map(str, setting["layers"]))
    if setting["architecture"] == network:
        found.append(f"channels {layers}; the paper does not give its own")
    else:
        found.append(f"network {setting['architecture']} ({layers}), the paper's is {network}")
    usual = DEFAULTS["objective"]
    # In a compression study this is the baseline's, without gates as in the paper.
    if study != "compression" and setting["objective"] != usual:
        found.append(f"objective {setting['objective']}, the paper's is {usual}")
    for name, value in setting.items():
        usual = DEFAULTS.get(name)
        if isinstance(usual, float | int) and value != usual and name != "tolerance":
            found.append(f"{name.replace('_', ' ')} {value:g}, the paper {usual:g}")
    return found


def _with_decimals_of(paper: float) -> Callable[[float], str]:
    decimals = len(f"{paper:g}".partition(".")[2])
    return lambda value: f"{value:.{decimals}f}"


def _signed(difference: float, write: Callable[[float], str]) -> str:
    size = write(abs(difference))
    return size if float(size) == 0 else f"{'+' if difference > 0 else '−'}{size}"


def _record(value: PaperValue, difference: float | None) -> dict[str, Any]:
    ours = value.ours
    return {
        "dataset": value.dataset,
        "quantity": value.quantity,
        "paper": value.paper,
        **({} if ours is None else ours.columns("here")),
        "difference": difference,
        "seeds": 0 if ours is None else ours.count,
    }
