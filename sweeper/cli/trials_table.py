"""One table of trials in training, made from what a run says or from what a folder has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.cli.plain_text import one_line
from sweeper.ledger.units import roughly

STATUS_STYLES = {
    "feasible": "green",
    "unsettled": "yellow",
    "infeasible": "red",
    "diverged": "red",
    "failed": "bold red",
    "interrupted": "yellow",
}
"""Colours of the statuses in a terminal."""

WIDE = 102
"""Columns from which all has room."""


@dataclass(kw_only=True)
class TrialLine:
    """What is shown of a trial."""

    dataset: str = ""
    tau: str
    """τ, or the trial's id where its τ is not known."""
    width: str = ""
    seed: str = ""
    step: int = 0
    steps: int = 0
    """0 if it is not known how many there are."""
    sse: float | None = None
    open_gates: int | None = None
    multiplier: float | None = None
    status: str
    saved_at: datetime | None = None


def trials_table(
    lines: Iterable[TrialLine], console: Console, *, several_datasets: bool, saved: bool
) -> Table:
    """Draw a row for each trial.

    Args:
        lines: the trials.
        console: where; less is shown where it is narrow.
        several_datasets: whether to name the data set of each.
        saved: whether to show when each last saved anything.
    """
    wide = console.width >= WIDE
    bars = console.is_terminal and (wide or not saved)
    weights = wide or not saved
    table = Table(box=None, pad_edge=False, header_style="bold")
    if several_datasets:
        table.add_column("data set", no_wrap=True)
    for heading in ("τ", "width", "seed", "step"):
        table.add_column(heading, justify="right", no_wrap=True)
    if bars:
        table.add_column("")
    for heading in ("sse", "gates", *(["λ′"] if weights else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    if saved:
        table.add_column("saved", no_wrap=True)
    for line in lines:
        cells = _cells(line, bars=bars, weights=weights)
        first: list[RenderableType] = [one_line(line.dataset)] if several_datasets else []
        last: list[RenderableType] = [ago(line.saved_at) if line.saved_at else ""] if saved else []
        table.add_row(*first, *cells, *last)
    return table


def ago(moment: datetime) -> str:
    """Write how long ago something was: `8 s ago`, `3 h 20 min ago`."""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    return f"{roughly(seconds)} ago"


def _cells(line: TrialLine, *, bars: bool, weights: bool) -> list[RenderableType]:
    of = f" of {line.steps:,}" if line.steps and not bars else ""
    weight = "" if line.multiplier is None else _weight(line.multiplier)
    # The colours of how a trial ended are its status's alone.
    bar = ProgressBar(
        line.steps or 1, line.step, width=20, complete_style="cyan", finished_style="dim"
    )
    return [
        one_line(line.tau),
        line.width,
        line.seed,
        f"{line.step:,}{of}",
        *([bar] if bars else []),
        "" if line.sse is None or math.isnan(line.sse) else f"{line.sse:.3f}",
        "" if line.open_gates is None else str(line.open_gates),
        *([weight] if weights else []),
        Text(one_line(line.status), style=STATUS_STYLES.get(line.status, "")),
    ]


def _weight(multiplier: float) -> str:
    return f"{multiplier:.3f}" if multiplier >= 0.001 else f"{multiplier:.0e}"
