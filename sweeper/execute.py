"""What every `sweeper run …` command does with its plan: check, measure or run, and tell."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from sweeper.ledger import Ledger
from sweeper.study import StudyPlan
from trainer.errors import UserError

STUDIES_FOLDER = Path("studies")

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a plan is to be executed, as the command line says."""

    study: str
    dataset: str
    folder: Path | None
    backend: str
    address: str | None
    device: str
    workers: int | None
    data_dir: Path | None
    dry_run: bool
    json: bool
    console: Console = field(default_factory=lambda: Console(stderr=True))
    """Where progress goes, so that standard output holds the answer alone."""

    @property
    def study_folder(self) -> Path:
        """The folder asked for, or the study's own."""
        return self.folder or STUDIES_FOLDER / f"{self.study}-{self.dataset}"


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
            _refuse(
                f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
            )
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def _refuse(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(EXIT_BAD_INPUT) from None


def execute(plan: StudyPlan, execution: Execution) -> None:
    """Run a plan, or with `dry_run` measure what it would take, and print the outcome.

    Raises:
        UserError: if something that was asked for cannot be.
        typer.Exit: with the exit code, if it is not 0.
    """
    from sweeper.display import Display
    from sweeper.plan import outstanding, warnings
    from sweeper.run import RunOptions, run_study

    for warning in warnings(plan):
        execution.console.print(f"warning: {warning}", highlight=False, soft_wrap=True)
    options = RunOptions(
        folder=execution.study_folder,
        command=shlex.join(["sweeper", *sys.argv[1:]]),
        backend=execution.backend,
        address=execution.address,
        device=execution.device,
        workers=execution.workers,
        data_dir=execution.data_dir,
    )
    if execution.dry_run:
        from sweeper.estimate import estimate

        work = outstanding(plan, Ledger(options.folder))
        print(estimate(plan, work, options).render(as_json=execution.json))
        return
    display = Display(execution.console, quiet=execution.json)
    summary = run_study(plan, options, display)
    _tell(Ledger(options.folder), options.command, summary, execution)


def _tell(ledger: Ledger, command: str, summary: Any, execution: Execution) -> None:
    from sweeper.answer import answer_json, print_answer

    if summary.outcome == "interrupted":
        done = len(ledger.finished())
        execution.console.print(
            f"interrupted: {done} trials are done, the others' state is saved; "
            f"to go on, run the same command again:\n  {command}",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED)
    if execution.json:
        print(json.dumps(answer_json(ledger, summary)))
    else:
        print_answer(ledger, summary)
    if summary.failed:
        raise typer.Exit(EXIT_FAILED)
