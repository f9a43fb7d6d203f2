"""What every `sweeper run …` command does with its plan: check, measure or run, and tell."""

from __future__ import annotations

import functools
import json as json_format
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from sweeper.cli.main import EXIT_FAILED, typed_command
from sweeper.ledger.ledger import Ledger
from sweeper.options import RunningOptions, spread_options
from sweeper.planning.compilation import parse_compile
from sweeper.planning.packs import parse_pack
from sweeper.run.interruption import EXIT_INTERRUPTED
from sweeper.run.record import RunOptions, RunSummary
from sweeper.studies.base import StudyPlan
from trainer.errors import UserError

if TYPE_CHECKING:
    from sweeper.cli.trials_table import Display

STUDIES_FOLDER = Path("studies")

EXIT_BAD_INPUT = 2


def progress_console() -> Console:
    """Give the console for progress: standard error, so that the answer stands alone."""
    return Console(stderr=True)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a user can mend into one line on standard error and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            _refuse(str(error))
        except OSError as error:
            # Nothing is half-written: every file is written whole or not at all.
            _refuse(_in_words(error))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def study_command(command: Callable[..., None]) -> Callable[..., None]:
    """Make a study's command of a function that takes groups of options (`sweeper.options`)."""
    return guarded(spread_options(command))


def _in_words(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _refuse(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(EXIT_BAD_INPUT) from None


def execute(plan: StudyPlan, running: RunningOptions, console: Console, *, folder: str) -> None:
    """Run a plan, or with `--dry-run` measure what it would take, and print the outcome.

    Args:
        plan: the study.
        running: what the command line says about running.
        console: where progress is shown.
        folder: the study's name under `studies/`, unless `--study` gives another place.

    Raises:
        UserError: if something that was asked for cannot be.
        typer.Exit: with the exit code, if it is not 0.
    """
    from sweeper.backends import check_options  # loads torch
    from sweeper.cli.trials_table import Display
    from sweeper.planning.missing import outstanding, warnings

    options = _run_options(running, STUDIES_FOLDER / folder)
    display = Display(console, quiet=running.json)
    for warning in warnings(plan):
        display.note(f"warning: {warning}")
    check_options(options)
    if running.dry_run:
        from sweeper.planning.estimate import estimate

        work = outstanding(plan, Ledger(options.folder))
        print(estimate(plan, work, options).render(as_json=running.json))
        return
    _run_and_tell(plan, options, display, json=running.json)


def _run_options(running: RunningOptions, folder: Path) -> RunOptions:
    return RunOptions(
        folder=running.study or str(folder),
        command=typed_command(),
        backend=running.backend,
        address=running.address,
        device=running.device,
        workers=running.workers,
        pack=parse_pack(running.pack),
        data_dir=running.data_dir,
        checkpoint_seconds=running.checkpoint_seconds,
        strict_float32=running.strict_float32,
        compile=parse_compile(running.compile),
    )


def _run_and_tell(plan: StudyPlan, options: RunOptions, display: Display, *, json: bool) -> None:
    from sweeper.run.run import run_study

    try:
        summary = run_study(plan, options, display)
        if summary.outcome == "interrupted":
            display.note(_how_to_go_on(options, "the others' state is saved"))
            raise typer.Exit(EXIT_INTERRUPTED)
        _tell(Ledger(options.folder), summary, json=json)
    except KeyboardInterrupt:
        display.note(_how_to_go_on(options, "the others go on from their last checkpoints"))
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        if not display.trained and not display.failures:
            raise  # refused before anything was trained
        display.note(
            f"error: {_in_words(error)}; what the ledger has is safe: mend that and run the same "
            f"command again:\n  {options.command}"
        )
        raise typer.Exit(EXIT_FAILED) from None


def _how_to_go_on(options: RunOptions, others: str) -> str:
    done = len(Ledger(options.folder).finished())
    return (
        f"interrupted: {done} trials are done, {others}; "
        f"to go on, run the same command again:\n  {options.command}"
    )


def _tell(ledger: Ledger, summary: RunSummary, *, json: bool) -> None:
    from sweeper.cli.answer import answer_json, print_answer  # loads matplotlib

    if json:
        print(json_format.dumps(answer_json(ledger, summary)))
    else:
        print_answer(ledger, summary)
    if summary.failed or summary.outcome == "failed":
        raise typer.Exit(EXIT_FAILED)
