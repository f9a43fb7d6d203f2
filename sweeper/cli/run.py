"""`sweeper run STUDY`: plan, check, then measure or run, and show the outcome."""

from __future__ import annotations

import dataclasses
import json as json_format
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from sweeper.cli.console import progress_printer
from sweeper.cli.data import load_or_fetch
from sweeper.cli.display import Display
from sweeper.cli.flags import with_flags
from sweeper.cli.guard import describe_os_error, guarded
from sweeper.cli.main import EXIT_FAILED, typed_command
from sweeper.cli.plain_text import plain
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import INTERRUPTED
from sweeper.ledger.units import counted
from sweeper.messages import Broadcast
from sweeper.options import RunOptions, option
from sweeper.run.interruption import EXIT_INTERRUPTED
from sweeper.studies.base import Plan, Study
from sweeper.studies.setup import TrainingOptions
from trainer.errors import UserError

if TYPE_CHECKING:
    from sweeper.run.record import RunSummary


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What the command prints."""

    dry_run: bool = option(False, help="Measure and print the plan; train nothing.")
    json: bool = option(False, help="Print one JSON object on standard output.")


def command_of(study: Study) -> Callable[..., None]:
    """Make a study's command from its row."""

    def command(
        own: Any, training: TrainingOptions, running: RunOptions, output: OutputOptions
    ) -> None:
        console = progress_printer()
        display = Display(console, quiet=output.json)
        options = dataclasses.replace(running, command=typed_command())
        plan = study.plan(
            own, training, lambda name: load_or_fetch(name, options.data_dir, console)
        )
        _warn(plan, display)
        if output.dry_run:
            _estimate(plan, options, display, output)
        else:
            _run(plan, options, display, output)

    command.__doc__ = study.help
    groups = {
        "own": study.options,
        "training": TrainingOptions,
        "running": RunOptions,
        "output": OutputOptions,
    }
    panels = {"training": "Training", "running": "Running", "output": "Running"}
    run = guarded(with_flags(command, groups, panels))
    run.__doc__ = study.help
    return run


def _warn(plan: Plan, display: Display) -> None:
    from sweeper.planning.missing import warnings

    for warning in warnings(plan):
        display.note(f"warning: {warning}")


def _estimate(plan: Plan, options: RunOptions, display: Display, output: OutputOptions) -> None:
    from sweeper.backends import check_backend, expected_workers  # loads torch
    from sweeper.planning.compilation import check_compile
    from sweeper.planning.estimate import estimate
    from sweeper.planning.missing import missing_trials
    from sweeper.planning.repair import plan_repair
    from sweeper.run.run import folder_of

    check_compile(options, check_backend(options))
    folder, workers = folder_of(plan, options), expected_workers(options)
    ledger = Ledger(folder)
    repair = plan_repair(missing_trials(plan, ledger), ledger, options.repair)
    for note in repair.notes:
        display.note(note)
    work = missing_trials(plan, ledger, without=repair.again)
    measured = estimate(plan, work, options, folder=folder, workers=workers)
    print(plain(measured.render(as_json=output.json)))


def _run(plan: Plan, options: RunOptions, display: Display, output: OutputOptions) -> None:
    from analysis.views import VIEWS
    from sweeper.run.run import folder_of, run_study
    from sweeper.run.tally import Tally

    if plan.study not in VIEWS:
        raise UserError(
            f"study {plan.study!r} has no view, without which it has no report: add a row to "
            "analysis.views.VIEWS"
        )
    ledger, tally = Ledger(folder_of(plan, options)), Tally()
    try:
        with display.showing():
            summary = run_study(plan, options, Broadcast(tally.on_event, display.on_event))
        if summary.outcome == INTERRUPTED:
            display.note(_how_to_go_on(ledger, options, "the others' state is saved"))
            raise typer.Exit(EXIT_INTERRUPTED)
        _show_answer(ledger, summary, json=output.json)
    except KeyboardInterrupt:
        others = "the others go on from their last checkpoints"
        display.note(_how_to_go_on(ledger, options, others))
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        if not tally.trained and not tally.failed:
            raise  # refused before anything was trained
        display.note(
            f"error: {describe_os_error(error)}; what the ledger has is safe: mend that and run "
            f"the same command again:\n  {options.command}"
        )
        raise typer.Exit(EXIT_FAILED) from None


def _how_to_go_on(ledger: Ledger, options: RunOptions, others: str) -> str:
    return (
        f"interrupted: {counted(len(ledger.finished()), 'trial')} done, {others}; "
        f"to go on, run the same command again:\n  {options.command}"
    )


def _show_answer(ledger: Ledger, summary: RunSummary, *, json: bool) -> None:
    from sweeper.cli.answer import answer_json, print_answer  # loads matplotlib

    if json:
        print(json_format.dumps(answer_json(ledger, summary)))
    else:
        print_answer(ledger, summary)
    if summary.failed or summary.outcome == "failed":
        raise typer.Exit(EXIT_FAILED)
