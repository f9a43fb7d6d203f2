"""The command line: `sweeper run|status|list|report|data`."""

from __future__ import annotations

import typer

from sweeper.cli import inspect
from sweeper.cli.run import guarded
from sweeper.studies import STUDIES

app = typer.Typer(
    name="sweeper",
    help="Sweep the error tolerance of variational autoencoders that find their own latent width.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
run = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Run a study, or go on with it."
)
data = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List, download and look at the data sets.",
)
app.add_typer(run, name="run")
app.add_typer(data, name="data")

for _study in STUDIES.values():
    run.command(_study.name, short_help=_study.summary)(_study.command)

app.command("status")(guarded(inspect.status))
app.command("report")(guarded(inspect.report))
app.command("list")(guarded(inspect.list_studies))
data.command("list")(guarded(inspect.data_list))
data.command("fetch")(guarded(inspect.data_fetch))
data.command("show")(guarded(inspect.data_show))


def main() -> None:
    """Run the command line."""
    app()
