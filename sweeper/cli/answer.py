"""What a run prints at the end: the table of its study, the answer, where the report is."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from analysis import StudyData, compute_report, write_report
from analysis.grid import Grid
from sweeper.cli.console import printer
from sweeper.cli.plain_text import one_line
from sweeper.cli.watch import warnings
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.units import counted, duration
from sweeper.run.record import RunSummary


def print_answer(ledger: Ledger, summary: RunSummary) -> None:
    """Print the study's table and its answer, write the report, and print where that is."""
    report = compute_report(StudyData.read(ledger))
    console = printer()
    console.print(as_rich(report.summary))
    console.print(f"\n{one_line(report.answer.headline)}", style="bold")
    console.print(f"{one_line(report.answer.reason)}\n")
    for line in warnings(report.study.files):
        console.print(one_line(line), style="yellow")
    console.print(_account(summary))
    page = write_report(report)  # drawing its figures takes a while
    console.print(f"report: {one_line(page)}")


def as_rich(grid: Grid) -> Table:
    """Return a grid as a terminal shows it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in grid.columns:
        table.add_column(one_line(column), justify="left" if column in grid.text else "right")
    for row in grid.rows:
        table.add_row(*map(one_line, row.cells), style="dim" if row.faint else None)
    return table


def answer_json(ledger: Ledger, summary: RunSummary) -> dict[str, Any]:
    """Write the report, and return the answer for programs."""
    report = compute_report(StudyData.read(ledger))
    page = write_report(report)
    return {
        "study": report.study.name,
        "folder": str(ledger.folder),
        "report": page,
        "answer": report.answer.headline,
        **report.facts,
        **report.study.files.to_json(),
        "statuses": report.study.trials["status"].value_counts().to_dict(),
        "run": vars(summary),
    }


def _all(reused: int) -> str:
    return "the 1 trial was" if reused == 1 else f"all {reused} trials were"


def _account(summary: RunSummary) -> str:
    if not summary.trained and not summary.failed:
        return f"nothing to train: {_all(summary.reused)} in the ledger"
    parts = [f"{counted(summary.trained, 'trial')} trained in {duration(summary.wall_seconds)}"]
    if summary.reused:
        parts.append(f"{summary.reused} {'was' if summary.reused == 1 else 'were'} in the ledger")
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    if summary.overhead is not None:
        whose = "the trial's" if summary.trained == 1 else "the trials'"
        parts.append(f"wall time {summary.overhead:.2f}× {whose} own")
    return ", ".join(parts)
