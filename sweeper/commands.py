"""The commands that look at studies and data sets without training anything."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sweeper import options as opt
from sweeper.execute import STUDIES_FOLDER
from sweeper.ledger import Ledger
from sweeper.setting import fetch, load_or_fetch
from sweeper.words import printer
from trainer import datasets
from trainer.errors import UserError, unknown_name

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="See `sweeper data list`.")]


def find_study(name: str) -> Ledger:
    """Open a study by its folder, or by its name under `studies/`.

    Raises:
        UserError: if there is none.
    """
    for folder in (Path(name), STUDIES_FOLDER / name):
        if Ledger(folder).exists:
            return Ledger(folder)
    known = [ledger.folder.name for ledger in _studies(STUDIES_FOLDER)]
    if known:
        raise unknown_name("study", name, known)
    raise UserError(f"no study {name!r}: there are none in {STUDIES_FOLDER}/; see `sweeper run`")


def status(study: opt.StudyArgument, json: opt.JsonOption = False) -> None:
    """Tell how far a study is, from its ledger alone."""
    ledger = find_study(study)
    summary = _summary(ledger)
    if json:
        print(json_format.dumps(summary))
        return
    from analysis import Study
    from sweeper.answer import front_table

    console = printer()
    counts = ", ".join(f"{count} {name}" for name, count in summary["statuses"].items())
    console.print(
        f"{summary['folder']}: {summary['study']} on {summary['dataset']}, "
        f"{summary['finished']} of {summary['asked']} trials done"
        + (f" ({counts})" if counts else "")
    )
    last = summary["last_run"]
    if last:
        console.print(f"last run: {last['outcome']}, started {last['started_at'][:19]} UTC")
        console.print(f"  {last['command']}")
    if summary["finished"]:
        console.print()
        console.print(front_table(Study.read(ledger)))


def report(study: opt.StudyArgument) -> None:
    """Write a study's report again, and print where it is."""
    from analysis import write_report  # loads matplotlib

    print(write_report(find_study(study)))


def list_studies(
    folder: Annotated[Path, typer.Argument(help="Where studies lie.")] = STUDIES_FOLDER,
    json: opt.JsonOption = False,
) -> None:
    """List the studies of a folder."""
    summaries = [_summary(ledger) for ledger in _studies(folder)]
    if json:
        print(json_format.dumps(summaries))
        return
    if not summaries:
        print(f"no studies in {folder}/; begin with `sweeper run pareto`")
        return
    table = Table("study", "data set", "trials", "feasible", "last run", box=None, pad_edge=False)
    for summary in summaries:
        table.add_row(
            summary["folder"],
            summary["dataset"],
            f"{summary['finished']} of {summary['asked']}",
            str(summary["statuses"].get("feasible", 0)),
            (summary["last_run"] or {}).get("outcome", "–"),
        )
    printer().print(table)


def data_list() -> None:
    """List the data sets."""
    table = Table("name", "image", "network", "width", "what it is", box=None, pad_edge=False)
    for row in datasets.DATASETS.values():
        shape = "×".join(map(str, row.image_shape))
        table.add_row(row.name, shape, row.architecture, str(row.width), row.summary)
    printer().print(table)


def data_fetch(name: DatasetName, data_dir: opt.DataDirOption = None) -> None:
    """Download a data set's official files, verified."""
    paths = fetch(name, data_dir, Console(stderr=True))
    if not paths:
        print(f"{name} comes with this package; nothing to download")
    for path in paths:
        print(path)


def data_show(
    name: DatasetName,
    data_dir: opt.DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the contact sheet. Default: NAME.png.")
    ] = None,
) -> None:
    """Describe a data set and write a contact sheet of its images."""
    from analysis.contact_sheet import contact_sheet  # loads matplotlib

    dataset = load_or_fetch(name, data_dir, Console(stderr=True))
    path = out or Path(f"{name}.png")
    contact_sheet(dataset.train, dataset.levels, path)
    print(f"shape    {'×'.join(map(str, dataset.image_shape))}")
    print(f"images   {len(dataset.train):,} to train on, {len(dataset.test):,} held out")
    print(f"sha256   {dataset.sha256}")
    print(f"mean     sse {dataset.mean_image_sse:.4g}: from this τ up no latent is needed")
    print(f"sheet    {path}")


def _studies(folder: Path) -> list[Ledger]:
    ledgers = [Ledger(path) for path in sorted(folder.glob("*")) if path.is_dir()]
    return [ledger for ledger in ledgers if ledger.exists]


def _summary(ledger: Ledger) -> dict[str, Any]:
    manifest = ledger.manifest()
    rows = ledger.rows().select(["status"]).to_pydict()["status"]
    request = manifest["request"]
    asked = 1
    for values in request.values():
        asked *= len(values)
    return {
        "folder": str(ledger.folder),
        "study": manifest["study"],
        "dataset": manifest["dataset"],
        "asked": max(asked, len(rows)),
        "finished": len(rows),
        "statuses": {name: rows.count(name) for name in sorted(set(rows))},
        "last_run": manifest["runs"][-1] if manifest["runs"] else None,
    }
