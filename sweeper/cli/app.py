"""The command line: `sweeper run|status|list|report|data`."""

from __future__ import annotations

import typer

from sweeper.cli import data, inspect
from sweeper.cli.guard import OneLineGroup, guarded
from sweeper.cli.run import command_of
from sweeper.studies import STUDIES

app = typer.Typer(
    name="sweeper",
    cls=OneLineGroup,
    help="Sweep the error tolerance of variational autoencoders that find their own latent width.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
run_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Run a study, or go on with it."
)
data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List, download and look at the data sets.",
)
app.add_typer(run_app, name="run")
app.add_typer(data_app, name="data")

for study in STUDIES.values():
    run_app.command(study.name, short_help=study.summary)(command_of(study))

app.command("status")(guarded(inspect.status))
app.command("report")(guarded(inspect.report))
app.command("list")(guarded(inspect.list_studies))
data_app.command("list")(guarded(data.list_datasets))
data_app.command("fetch")(guarded(data.fetch))
data_app.command("show")(guarded(data.show))
