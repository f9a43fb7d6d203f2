"""`sweeper data list|fetch|show`, and how every command opens a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Table

from sweeper.cli.console import printer, progress_printer
from sweeper.options import DATA_DIR_HELP, parse_folder
from trainer import data
from trainer.data import Dataset
from trainer.errors import MissingDataError, UserError

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="See `sweeper data list`.")]


def list_datasets() -> None:
    """List the data sets."""
    table = Table("name", "image", "network", "width", "what it is", box=None, pad_edge=False)
    for row in data.DATASETS.values():
        shape = "×".join(map(str, row.image_shape))
        table.add_row(row.name, shape, row.architecture, str(row.width), row.summary)
    printer().print(table)


def fetch(
    name: DatasetName,
    data_dir: Annotated[
        str | None, typer.Option(help="Where to put them. Default: the user's cache.")
    ] = None,
) -> None:
    """Download a data set's official files, verified."""
    folder = None if data_dir is None else parse_folder(data_dir)
    with _progress_bars(progress_printer()) as show:
        paths = data.fetch(name, folder, show)
    if not paths:
        print(f"{name} comes with this package; nothing to download")
    for path in paths:
        print(path)


def show(
    name: DatasetName,
    data_dir: Annotated[str | None, typer.Option(help=DATA_DIR_HELP)] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Where to write the contact sheet, also over an earlier one. Default: NAME.png, "
            "unless that exists."
        ),
    ] = None,
) -> None:
    """Describe a data set and write a contact sheet of its images."""
    from analysis.figures.contact_sheet import contact_sheet  # loads matplotlib

    data.DATASETS.find(name)
    path = Path(f"{name}.png") if out is None else parse_folder(out, "--out")
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--out {path}: the sheet can be a .png, .svg or .pdf file")
    if out is None and path.exists():
        raise UserError(f"{path} exists; name it with --out to replace it, or name another file")
    folder = None if data_dir is None else parse_folder(data_dir)
    dataset = load_or_fetch(name, folder, progress_printer())
    contact_sheet(dataset.train, dataset.levels, path)
    print(f"shape    {'×'.join(map(str, dataset.image_shape))}")
    print(f"images   {len(dataset.train):,} to train on, {len(dataset.test):,} held out")
    print(f"sha256   {dataset.sha256}")
    print(f"mean     sse {dataset.mean_image_sse:.4g}: from this τ up no latent is needed")
    print(f"sheet    {path}")


def load_or_fetch(name: str, data_dir: Path | None, console: Console) -> Dataset:
    """Open a data set, after downloading it if it is not on disk, with a progress bar a file.

    Raises:
        UserError: if it is neither on disk nor to be had, or is not what it should be.
    """
    with _progress_bars(console) as show:
        try:
            return data.load(name, data_dir, show)
        except MissingDataError:
            data.fetch(name, data_dir, show)
            return data.load(name, data_dir, show)


@contextmanager
def _progress_bars(console: Console) -> Iterator[data.Progress]:
    """Show, in a terminal, a bar for each file that is downloaded or converted."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done, total=total)

        yield show
