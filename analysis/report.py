"""A study's report: one page that opens anywhere, and the files behind it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import jinja2
import pandas as pd

from analysis import words
from analysis.answer import compute_answer
from analysis.figures import FIGURES, Picture, render
from analysis.findings import find
from analysis.study import Study
from sweeper.ledger import Ledger
from trainer.files import write_atomic


def write_report(ledger: Ledger) -> Path:
    """Write the report of a study into its `report/` folder and give the page's path.

    Beside `report.html` stand `front.csv` (one row per τ and width), `trials.csv` (one row per
    trial), and every figure as SVG and PNG. The page holds all it shows: it can be sent by mail.
    A study without feasible trials, or without any, gives a page that says so.

    Raises:
        UserError: if the folder holds no study, or one that this version cannot read.
        OSError: if a file cannot be written; no file is ever left half-written.

    """
    study = Study.read(ledger)
    pictures = list(render(study))
    folder = ledger.report
    for picture in pictures:
        write_atomic(folder / f"{picture.stem}.svg", picture.svg)
        write_atomic(folder / f"{picture.stem}.png", picture.png)
    write_atomic(folder / "front.csv", _csv(study.front.points))
    write_atomic(folder / "trials.csv", _csv(study.trials))
    page = folder / "report.html"
    write_atomic(page, render_page(study, pictures).encode())  # last: it names the others
    return page


def render_page(study: Study, pictures: Iterable[Picture]) -> str:
    """Give the page as HTML. Whatever came from a name, a path or an error is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "duration": words.duration,
        "moment": words.moment,
        "listing": words.listing,
        "data_uri": data_uri,
    }
    pictures = list(pictures)
    return environment.get_template("report.html.j2").render(
        study=study,
        manifest=study.manifest,
        trials=study.trials.to_dict("records"),
        answer=compute_answer(study),
        findings=find(study),
        captions={name: row.caption for name, row in FIGURES.items()},
        front_figures=[p for p in pictures if p.name == "front"],
        other_figures=[p for p in pictures if p.name != "front" and not FIGURES[p.name].per_trial],
        trial_figures=[p for p in pictures if FIGURES[p.name].per_trial],
    )


def data_uri(svg: bytes) -> str:
    """Embed an image as an image: as inline markup the ids of several would collide."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _csv(table: pd.DataFrame) -> bytes:
    return bytes(table.to_csv(index=False).encode())
