"""What `sweeper status` shows of a study, once or until its run ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.cli.trials_table import progress_bar
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.unfinished import Saved
from sweeper.ledger.units import roughly
from sweeper.status import StudyStatus, read_status
from trainer.verdict import Status

LOOK_SECONDS = 2.0
"""Between two looks at the folder, at least: more where looking takes long."""

MOST_ROWS = 20
"""Trials that are shown singly where there is no height to fill."""

WIDE = 102
"""Columns from which a terminal has room for bars."""


def watch(ledger: Ledger, console: Console) -> None:
    """Show how a study is doing until no run is under way: a line whenever a trial begins or ends.

    In a terminal it is redrawn in place instead.

    Raises:
        UserError: if the folder holds no study, or one that cannot be read.
    """
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for status in _looks(ledger):
                live.update(render(status, console), refresh=True)
        return
    last = ""
    for status in _looks(ledger):
        if progress(status) != last:
            last = progress(status)
            to_go = f"; {_to_go(status)}" if status.seconds_to_go else ""
            console.print(f"{last}{to_go}", markup=False)


def _looks(ledger: Ledger) -> Iterator[StudyStatus]:
    while True:
        began = time.monotonic()
        status = read_status(ledger)
        if not status.in_use:
            return
        yield status
        time.sleep(max(LOOK_SECONDS, 4 * (time.monotonic() - began)))


def render(status: StudyStatus, console: Console) -> RenderableType:
    """Give the whole picture: how many trials are where, the last run, and the trials begun."""
    signs = [_to_go(status)] if status.seconds_to_go else []
    signs += [f"last sign of life {ago(status.last_sign)}"] if status.last_sign else []
    parts: list[RenderableType] = [
        Text(f"{status.folder}: {status.study} on {', '.join(status.datasets)}", style="bold"),
        Text(progress(status)),
        Text("; ".join(signs)),
        *_run_lines(status),
    ]
    if status.running or status.interrupted:
        parts += [Text(), _table(status, console)]
    return Group(*parts)


def progress(status: StudyStatus) -> str:
    """Say how many trials are where, in a line."""
    kinds = [f"{count} {name}" for name, count in status.statuses.items() if name != Status.FAILED]
    parts = [f"{status.finished} of {status.asked} trials done" + _in_brackets(kinds)]
    for count, word in (
        (len(status.running), "running"),
        (len(status.interrupted), "interrupted"),
        (status.waiting, "waiting"),
        (status.failed, "failed"),
    ):
        if count:
            parts.append(f"{count} {word}")
    return ", ".join(parts)


def ago(moment: datetime) -> str:
    """Say how long ago something was: `8 s ago`, `3 h 20 min ago`."""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    return f"{roughly(seconds)} ago"


def _in_brackets(parts: list[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""


def _to_go(status: StudyStatus) -> str:
    assert status.seconds_to_go is not None
    when = "" if status.in_use else " once it is run again"
    return f"about {roughly(status.seconds_to_go)} to go{when}"


def _run_lines(status: StudyStatus) -> list[Text]:
    run = status.last_run
    if run is None:
        return []
    started = run["started_at"][:19].replace("T", " ")
    host = f" on {run['host']}" if run.get("host") else ""
    return [
        Text(f"last run: {run['outcome']}, started {started} UTC{host}"),
        Text(f"  {run['command']}", style="dim"),
    ]


def _table(status: StudyStatus, console: Console) -> Table:
    """Give a row for each trial that has begun, as many as fit."""
    wide = console.is_terminal and console.width >= WIDE
    several = len(status.datasets) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    if several:
        table.add_column("data set", no_wrap=True)
    for heading in ("τ", "width", "seed", "step", *([""] if wide else []), "sse", "gates"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("saved", no_wrap=True)
    begun = [(each, "running", "") for each in status.running]
    begun += [(each, "interrupted", "yellow") for each in status.interrupted]
    most = max(3, console.height - 8) if console.is_terminal else MOST_ROWS
    for saved, word, style in begun[:most]:
        dataset = [saved.spec.dataset if saved.spec else ""] if several else []
        table.add_row(*dataset, *_cells(saved, wide), Text(word, style=style), ago(saved.seen))
    table.caption = f"and {len(begun) - most} more" if len(begun) > most else None
    return table


def _cells(saved: Saved, wide: bool) -> list[RenderableType]:
    spec, point = saved.spec, saved.point
    measured = ["", ""] if point is None else [f"{point['sse']:.3f}", f"{point['open_gates']:.0f}"]
    if spec is None:
        return [saved.trial_id, "", "", f"{saved.step:,}", *([""] if wide else []), *measured]
    bar = [progress_bar(saved.step, spec.steps)] if wide else []
    step = f"{saved.step:,} of {spec.steps:,}"
    return [f"{spec.tau:.4g}", str(spec.width), str(spec.seed), step, *bar, *measured]
