"""The commands that look at studies without training anything."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sweeper.cli import watch as view
from sweeper.cli.console import printer
from sweeper.cli.guard import describe_os_error
from sweeper.cli.plain_text import one_line
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import MANIFEST
from sweeper.options import STUDIES_FOLDER, parse_folder, parse_place
from sweeper.status import read_status
from trainer.errors import UserError, unknown_name

StudyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]",
        help="A study's folder, or its name under studies/. Default: the only one there.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def find_study(name: str | None) -> Ledger:
    """Open a study by its folder, by its name under `studies/`, or as the only one there.

    Raises:
        UserError: if there is none, or none is named and there are several.
    """
    if name is None:
        return _only_study()
    name = parse_place(name, "STUDY")
    for place in (name, str(STUDIES_FOLDER / name)):
        if Ledger(place).exists:
            return Ledger(place)
    if "/" in name or Path(name).exists():
        raise UserError(_no_study_in(name))
    known = _names(STUDIES_FOLDER)
    if known:
        raise unknown_name("study", name, known)
    raise UserError(f"no study {name!r}: there are none in {STUDIES_FOLDER}/; see `sweeper run`")


def _no_study_in(place: str) -> str:
    """Write what was found where a study was looked for."""
    if "://" not in place and not Path(place).is_dir():
        what = "is a file" if Path(place).exists() else "does not exist"
        return f"no study {place!r}: it {what}; see `sweeper list`"
    folder = Ledger(place).folder
    return f"no study in {folder}: the folder holds none (no {MANIFEST}); see `sweeper list`"


def _only_study() -> Ledger:
    names = _names(STUDIES_FOLDER)
    if len(names) == 1:
        return Ledger(STUDIES_FOLDER / names[0])
    there = ", ".join(names) or "there are none"
    raise UserError(f"name a study of {STUDIES_FOLDER}/ ({there}) or give its folder")


def status(
    study: StudyArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it until its run ends.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Show how far a study is, from its ledger alone: one that runs, or one that was killed."""
    if watch and json:
        raise UserError("--json prints once; leave --watch away")
    ledger = find_study(study)
    if json:
        print(json_format.dumps(read_status(ledger, check_files=True).to_json()))
        return
    from analysis import StudyData, compute_report
    from sweeper.cli.answer import as_rich

    console = printer()
    if watch:
        view.watch(ledger, console)
    now = read_status(ledger, check_files=True)
    console.print(view.render(now, console))
    if now.finished:
        console.print()
        console.print(as_rich(compute_report(StudyData.read(ledger)).summary))


def report(study: StudyArgument = None) -> None:
    """Write a study's report again, and print where it is."""
    from analysis import StudyData, compute_report, write_report  # loads matplotlib

    written = compute_report(StudyData.read(find_study(study)))
    for line in view.warnings(written.study.files):
        print(one_line(line), file=sys.stderr)
    print(one_line(write_report(written)))


def list_studies(
    folder: Annotated[str, typer.Argument(help="Where studies lie.")] = str(STUDIES_FOLDER),
    json: JsonFlag = False,
) -> None:
    """List the studies of a folder."""
    found = []
    for ledger in _studies(parse_folder(folder, "FOLDER")):
        try:
            if ledger.exists:
                found.append(read_status(ledger))
        except (UserError, OSError) as error:  # one bad study says nothing of the others
            what = describe_os_error(error) if isinstance(error, OSError) else str(error)
            print(f"warning: {one_line(what)}", file=sys.stderr)
    if json:
        print(json_format.dumps([each.to_json() for each in found]))
        return
    if not found:
        print(one_line(f"no studies in {folder}/; begin with `sweeper run pareto`"))
        return
    table = Table("study", "data sets", "trials", "feasible", "last run", box=None, pad_edge=False)
    for each in found:
        cells = (
            each.folder,
            ", ".join(each.datasets),
            f"{each.finished} of {each.asked}",
            str(each.statuses.get("feasible", 0)),
            each.last_run.outcome if each.last_run else "–",
        )
        table.add_row(*map(one_line, cells))
    printer().print(table)


def _studies(folder: Path) -> list[Ledger]:
    """Open every folder in a folder, whether it holds a study or not."""
    return [Ledger(path) for path in sorted(folder.glob("*")) if path.is_dir()]


def _names(folder: Path) -> list[str]:
    """List the names of the studies in a folder that can be looked into."""
    names = []
    for ledger in _studies(folder):
        with contextlib.suppress(OSError):  # another user's, for example
            names += [ledger.folder.name] if ledger.exists else []
    return names
