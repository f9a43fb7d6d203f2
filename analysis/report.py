"""A study's report: one page that opens anywhere, and the files behind it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import jinja2
import pandas as pd

from analysis import format as text_format
from analysis.figures import FIGURES, Picture, render
from analysis.grid import Grid
from analysis.paper import beside_the_paper, deviations
from analysis.study_data import Study
from analysis.views import compute_answer, view_of
from analysis.warnings import find

PAGE = "report.html"

SHOWN = 500
"""Rows of the table of trials that a page still scrolls through."""

MEASURED = ("test_sse_sampled", "test_sse_mean", "train_sse", "kl", "lambda")
"""The columns of the table of trials whose decimal points line up."""


def write_report(study: Study) -> str:
    """Write the report of a study into its `report/` folder, and say where the page is.

    Beside `report.html` stand `trials.csv` (one row per trial), the data of every other table
    (for a front, `front.csv`: one row per τ and width), and every figure as SVG and PNG. The page
    holds all it shows: it can be sent by mail. A study without feasible trials, or without any,
    gives a page that says so.

    Raises:
        OSError: if a file cannot be written; no file is ever left half-written.

    """
    view = view_of(study)
    pictures = list(render(study, (*view.lead, *view.figures)))
    folder = study.ledger.report
    for picture in pictures:
        folder.write(f"{picture.stem}.svg", picture.svg)
        folder.write(f"{picture.stem}.png", picture.png)
    for grid in _grids(study):
        if len(grid.data.columns):
            folder.write(f"{grid.name}.csv", _csv(grid.data))
    counts = dict.fromkeys(("open_gates", "settled_step"), "Int64")  # which may be missing
    folder.write("trials.csv", _csv(study.trials.astype(counts)))
    folder.write(PAGE, render_page(study, pictures).encode())  # last: it names the others
    return folder.at(PAGE)


def render_page(study: Study, pictures: Sequence[Picture]) -> str:
    """Give the page as HTML. Whatever came from a name, a path or an error is escaped."""
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
    view = view_of(study)
    per_figure = {name: [p for p in pictures if p.name == name] for name in FIGURES}
    return environment.get_template("report.html.j2").render(
        study=study,
        manifest=study.manifest,
        trials=study.trials.to_dict("records"),
        shown=SHOWN,
        write={name: text_format.aligned(study.trials[name]) for name in MEASURED},
        answer=compute_answer(study),
        grids=[grid for grid in _grids(study) if grid.rows],
        deviations=deviations(study) if view.quantities(study) else [],
        findings=find(study, view.checks),
        captions={name: row.caption for name, row in FIGURES.items()},
        lead_figures=[p for name in view.lead for p in per_figure[name]],
        other_figures=[
            p for name in view.figures for p in per_figure[name] if not FIGURES[name].per_trial
        ],
        trial_figures=[
            p for name in view.figures for p in per_figure[name] if FIGURES[name].per_trial
        ],
    )


def _grids(study: Study) -> list[Grid]:
    view = view_of(study)
    own = [make(study) for make in view.grids]
    quantities = view.quantities(study)
    return [*own, beside_the_paper(quantities)] if quantities else own


def data_uri(svg: bytes) -> str:
    """Embed an image as an image: as inline markup the ids of several would collide."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _csv(table: pd.DataFrame) -> bytes:
    return bytes(table.to_csv(index=False).encode())
