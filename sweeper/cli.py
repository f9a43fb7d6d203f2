"""The command line: `sweeper run|status|list|report|data`."""

from __future__ import annotations

import typer

from sweeper import commands
from sweeper.execute import guarded
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

app.command("status")(guarded(commands.status))
app.command("report")(guarded(commands.report))
app.command("list")(guarded(commands.list_studies))
data.command("list")(guarded(commands.data_list))
data.command("fetch")(guarded(commands.data_fetch))
data.command("show")(guarded(commands.data_show))


def main() -> None:
    """Run the command line."""
    app()
