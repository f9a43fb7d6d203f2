"""What `sweeper status` shows of a study, once or until its run ends."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.cli.plain_text import one_line
from sweeper.cli.trials_table import TrialLine, ago, trials_table
from sweeper.ledger.faults import Inspection
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.unfinished import Unfinished
from sweeper.ledger.units import counted, roughly
from sweeper.status import StudyStatus, read_status
from trainer.verdict import Status

READ_SECONDS = 2.0
"""Between two readings of the folder, at least: more where reading takes long."""

MAX_ROWS = 20
"""Trials that are shown where there is no height to fill."""


def watch(ledger: Ledger, console: Console) -> None:
    """Show how a study is doing until no run is under way: a line whenever a trial begins or ends.

    In a terminal it is redrawn in place instead.

    Raises:
        UserError: if the folder holds no study, or one that cannot be read.
    """
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for status in _readings(ledger):
                live.update(render(status, console), refresh=True)
        return
    last = ""
    for status in _readings(ledger):
        if progress(status) != last:
            last = progress(status)
            to_go = f"; {_to_go(status)}" if status.seconds_to_go else ""
            console.print(f"{last}{to_go}")


def _readings(ledger: Ledger) -> Iterator[StudyStatus]:
    while True:
        began = time.monotonic()
        status = read_status(ledger, check_files=True)
        if not status.in_use:
            return
        yield status
        time.sleep(max(READ_SECONDS, 4 * (time.monotonic() - began)))


def render(status: StudyStatus, console: Console) -> RenderableType:
    """Draw how many trials are where, the last run, and the trials that have begun."""
    signs = [_to_go(status)] if status.seconds_to_go else []
    signs += [f"last sign of life {ago(status.last_sign)}"] if status.last_sign else []
    parts: list[RenderableType] = [
        Text(
            one_line(f"{status.folder}: {status.study} on {', '.join(status.datasets)}"),
            style="bold",
        ),
        Text(progress(status)),
        Text("; ".join(signs)),
        *_run_lines(status),
        *_file_lines(status),
    ]
    if status.running or status.lost or status.interrupted:
        parts += [Text(), _table(status, console)]
    return Group(*parts)


def progress(status: StudyStatus) -> str:
    """Write how many trials are where, in a line."""
    kinds = [f"{count} {name}" for name, count in status.statuses.items() if name != Status.FAILED]
    parts = [f"{status.finished} of {counted(status.asked, 'trial')} done" + _in_brackets(kinds)]
    for count, word in (
        (len(status.running), "running"),
        (len(status.interrupted), "interrupted"),
        (status.waiting, "waiting"),
        (status.failed, "failed"),
    ):
        if count:
            parts.append(f"{count} {word}")
    return one_line(", ".join(parts))


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
    host = f" on {run.host}" if run.host else ""
    return [
        Text(
            one_line(
                f"last run: {run.outcome}, started {run.started_at:%Y-%m-%d %H:%M:%S} UTC{host}"
            )
        ),
        Text(f"  {one_line(run.command)}", style="dim"),
    ]


def _file_lines(status: StudyStatus) -> list[Text]:
    """Write what is wrong with the trials' files."""
    files = status.files
    if files is None:
        return []
    lines = [Text(line, style="yellow") for line in warnings(files)]
    return [Text(), *lines] if lines else []


def warnings(files: Inspection) -> list[str]:
    """Write what is wrong with the files of a study, and what to do, a line each."""
    lines = [f"{file} {problem}" for file, problem in files.details()]
    if lines:
        lines = [f"warning: {files.title}. {files.advice}", *(f"  {line}" for line in lines)]
    return [*lines, *([f"warning: {files.unchecked_line}"] if files.unchecked else [])]


def _table(status: StudyStatus, console: Console) -> Table:
    """Draw the trials that have begun, as many as fit."""
    lines = [_line(trial, "running") for trial in status.running]
    lines += [_line(trial, "waiting") for trial in status.lost]
    lines += [_line(trial, "interrupted") for trial in status.interrupted]
    most = max(3, console.height - 8) if console.is_terminal else MAX_ROWS
    table = trials_table(
        lines[:most], console, several_datasets=len(status.datasets) > 1, saved=True
    )
    table.caption = f"and {len(lines) - most} more" if len(lines) > most else None
    return table


def _line(trial: Unfinished, status: str) -> TrialLine:
    line = TrialLine(tau=trial.trial_id, step=trial.step, status=status, saved_at=trial.saved_at)
    if trial.spec is not None:
        spec = trial.spec
        line.dataset, line.tau, line.steps = spec.dataset, f"{spec.tau:.4g}", spec.steps
        line.width, line.seed = str(spec.width), str(spec.seed)
    if trial.point is not None:
        line.sse, line.multiplier = trial.point["sse"], trial.point["lambda"]
        line.open_gates = int(trial.point["open_gates"])
    return line
