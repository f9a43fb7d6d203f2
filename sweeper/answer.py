"""What a run or `sweeper status` prints at the end: the front, the advice, the report."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from analysis import Study, compute_answer, write_report
from analysis.words import NOTHING, number
from sweeper.ledger import Ledger
from sweeper.run_record import RunSummary
from sweeper.words import duration, printer


def print_answer(ledger: Ledger, summary: RunSummary) -> None:
    """Write the report, and print the front as a table and where the report is."""
    page = write_report(ledger)
    study = Study.read(ledger)
    console = printer()
    console.print(front_table(study))
    answer = compute_answer(study)
    console.print(f"\n{answer.headline}", style="bold")
    console.print(f"{answer.reason}\n")
    console.print(_account(summary))
    console.print(f"report: {page}")


def front_table(study: Study) -> Table:
    """Give a row per τ and width, with what became of its seeds; dim where none is feasible."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("τ", "width", "open gates", "held-out sse", "seeds", "status"):
        table.add_column(heading, justify="left" if heading == "status" else "right")
    points = study.front.points.set_index(["tau", "width"])
    for (tau, width), trials in study.trials.groupby(["tau", "width"]):
        counts = trials["status"].value_counts()
        status = ", ".join(
            name if count == len(trials) else f"{count} {name}" for name, count in counts.items()
        )
        if (tau, width) in points.index:
            point = points.loc[(tau, width)]
            gates = _spread(point["open_gates"], point["open_gates_min"], point["open_gates_max"])
            error, style = point["error"], None
            status += "" if point["on_front"] else " (beaten)"
        else:
            seen, style = trials["open_gates"], "dim"
            gates = _spread(seen.median(), seen.min(), seen.max())
            error = trials["test_sse_sampled"].median()
        cells = (f"{tau:g}", str(width), gates, number(error), str(len(trials)), status)
        table.add_row(*cells, style=style)
    return table


def answer_json(ledger: Ledger, summary: RunSummary) -> dict[str, Any]:
    """Write the report, and give the answer for programs."""
    page = write_report(ledger)
    study = Study.read(ledger)
    answer = compute_answer(study)
    return {
        "study": study.manifest["study"],
        "folder": str(ledger.folder),
        "report": str(page),
        "answer": answer.headline,
        "recommended": None if answer.point is None else vars(answer.point),
        "front": [vars(point) for point in study.front.front],
        "statuses": study.trials["status"].value_counts().to_dict(),
        "run": vars(summary),
    }


def _spread(median: float, low: float, high: float) -> str:
    if math.isnan(median):
        return NOTHING
    return f"{median:g}" if low == high else f"{median:g} ({low:g}–{high:g})"


def _account(summary: RunSummary) -> str:
    if not summary.trained and not summary.failed:
        return f"nothing to train: all {summary.reused} trials were in the ledger"
    parts = [f"{summary.trained} trials trained in {duration(summary.wall_seconds)}"]
    if summary.reused:
        parts.append(f"{summary.reused} were in the ledger")
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    if summary.overhead is not None:
        parts.append(f"wall time {summary.overhead:.2f}× the trials' own")
    return ", ".join(parts)
