"""A study's report: one page that opens anywhere, and the files behind it."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from typing import Any

import jinja2
import pandas as pd

from analysis import format as text_format
from analysis.figures import FIGURES, Picture, Place, render
from analysis.study_report import StudyReport

PAGE = "report.html"

FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""What a cell begins with that a spreadsheet takes for a formula. Numbers stay numbers."""

PAGE_ROWS = 500
"""How many trials the table of a page shows: more than that, nobody scrolls through."""

ALIGNED_COLUMNS = ("test_sse_sampled", "test_sse_mean", "train_sse", "kl", "lambda")
"""The columns of the table of trials whose decimal points are in line."""


def write_report(report: StudyReport) -> str:
    """Write a study's `report/` folder, and return where its page is.

    Beside `report.html` there are `trials.csv` (one row per trial), the data of every other table
    (for a front, `front.csv`: one row per experiment), and every figure as SVG and PNG. The page
    holds all that it shows, so that it can be sent by mail. A study without feasible trials, or
    without any, has a page that says so.

    Raises:
        OSError: if a file cannot be written; no file is ever left half-written.

    """
    pictures = list(render(report.plots()))
    folder = report.study.ledger.report
    for picture in pictures:
        *around, name = picture.stem.split("/")
        place = functools.reduce(lambda outer, inner: outer.folder(inner), around, folder)
        place.write(f"{name}.svg", picture.svg)
        place.write(f"{name}.png", picture.png)
    for grid in report.tables:
        if len(grid.data.columns):
            folder.write(f"{grid.name}.csv", _csv(grid.data))
    counts = dict.fromkeys(("open_gates", "settled_step"), "Int64")  # which may be missing
    folder.write("trials.csv", _csv(report.study.trials.astype(counts)))
    folder.write(PAGE, render_page(report, pictures).encode())  # last: it names the others
    return folder.at(PAGE)


def render_page(report: StudyReport, pictures: Sequence[Picture]) -> str:
    """Return the page as HTML. Whatever came from a name, a path or an error is escaped."""
    trials = report.study.trials
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        study=report.study,
        manifest=report.study.manifest,
        answer=report.answer,
        grids=[grid for grid in report.tables if grid.rows],
        warnings=report.warnings,
        shown_trials=trials.head(PAGE_ROWS).to_dict("records"),
        write={name: text_format.aligned(trials[name]) for name in ALIGNED_COLUMNS},
        captions={name: row.caption for name, row in FIGURES.items()},
        top_figures=_at(Place.TOP, pictures),
        section_figures=_at(Place.SECTION, pictures),
        folded_figures=_at(Place.FOLDED, pictures),
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["zip"] = zip
    environment.filters |= {
        "number": text_format.number,
        "count": text_format.count,
        "duration": text_format.duration,
        "moment": text_format.moment,
        "listing": text_format.listing,
        "unbroken": text_format.unbroken,
        "data_uri": data_uri,
    }
    return environment


def _at(place: Place, pictures: Sequence[Picture]) -> list[Picture]:
    return [picture for picture in pictures if FIGURES.find(picture.name).place is place]


def data_uri(svg: bytes) -> str:
    """Return an image as a URI: as inline markup the ids of several would collide."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _csv(table: pd.DataFrame) -> bytes:
    """Write a table; a text that a spreadsheet would compute has an apostrophe before it."""
    harmless = {_harmless(name): _harmless_column(table[name]) for name in table.columns}
    return bytes(pd.DataFrame(harmless).to_csv(index=False).encode())


def _harmless_column(column: pd.Series) -> pd.Series:
    return column.map(_harmless) if pd.api.types.is_string_dtype(column.dtype) else column


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "\n")  # which is quoted, and so begins no row of its own
    return f"'{text}" if text.startswith(FORMULA) else text
