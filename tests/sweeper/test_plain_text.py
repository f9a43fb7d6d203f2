"""What a study that somebody sent holds is shown, and does nothing to the terminal."""

from __future__ import annotations

import dataclasses
import io
import logging
import shutil
from pathlib import Path

import pytest
from rich.live import Live
from rich.table import Table
from study import here, sweeper

from sweeper.cli.console import PlainConsole
from sweeper.cli.plain_text import PlainFormatter, one_line, plain
from sweeper.cli.watch import render
from sweeper.ledger.ledger import Ledger
from sweeper.status import read_status

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r\nerror: run this\x00[bold red]x[/]:skull:"
"""A title, an erased screen, colour, reversed text, a line of its own, markup, an emoji."""
SHOWN = "]0;owned[2J31mgnp  error: run this[bold red]x[/]:skull:"
CONTROLS = [chr(code) for code in (*range(32), *range(127, 160)) if chr(code) != "\n"]


@pytest.fixture
def hostile(finished: Path, tmp_path: Path) -> Path:
    """A study whose every word of other hands is `EVIL`, in a folder of such a name."""
    folder = tmp_path / "studies" / EVIL.replace("/", "").replace("\x00", "")
    shutil.copytree(finished, folder)
    ledger = Ledger(folder)
    manifest = ledger.manifest()
    words = dict.fromkeys(("command", "host", "outcome", "hardware", "budget", "device"), EVIL)
    runs = (dataclasses.replace(manifest.runs[0], **words),)  # type: ignore[arg-type]
    settings = {**manifest.settings, EVIL: {}}
    ledger.write_manifest(dataclasses.replace(manifest, runs=runs, settings=settings))
    return folder


def test_text_is_plain_and_cells_are_of_one_line() -> None:
    assert one_line(EVIL) == SHOWN
    assert plain("one\ntwo\tτ 😀 é") == "one\ntwo\tτ 😀 é"
    assert plain("".join(CONTROLS)).strip("\t") == ""


@pytest.mark.parametrize("command", ["status", "list", "report"])
def test_a_hostile_study_is_shown_as_plain_text(command: str, hostile: Path) -> None:
    cwd = hostile.parent.parent
    told = here(command, cwd=cwd, COLUMNS="300")  # the only study; its name would be refused
    assert told.returncode == 0, told.stderr
    for control in [*CONTROLS, "\u202e"]:
        assert control not in told.stdout
    assert "\nerror:" not in told.stdout
    assert "[bold red]x[" in told.stdout
    assert told.stdout.count(SHOWN) >= {"status": 3, "list": 2, "report": 0}[command]


def test_a_hostile_name_in_an_error_is_one_plain_line(tmp_path: Path) -> None:
    told = here("status", EVIL.replace("\x00", ""), cwd=tmp_path)
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert "\x1b" not in told.stderr


def test_a_warning_of_the_log_is_one_plain_line(hostile: Path) -> None:
    (hostile / "study.json").unlink()
    told = sweeper("status", cwd=hostile.parent.parent)
    assert told.returncode == 0
    assert "\x1b" not in told.stderr + told.stdout
    (line,) = [line for line in told.stderr.splitlines() if line]
    assert "study.json is lost" in line
    record = logging.LogRecord("x", logging.WARNING, "x", 1, "a %s", (EVIL,), None)
    assert PlainFormatter().format(record) == f"a {SHOWN}"


def test_a_terminal_gets_colours_but_no_text_of_others_as_anything_else(hostile: Path) -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=True, color_system="truecolor", width=200)
    table = Table(EVIL)
    table.add_row(EVIL)
    with Live(console=console, auto_refresh=False) as live:
        live.update(table, refresh=True)
        live.update(render(read_status(Ledger(hostile)), console), refresh=True)
    console.print(EVIL, style="bold")
    shown = stream.getvalue()
    assert "\x1b[1m" in shown  # of our own
    for harmful in ("\x1b]0", "\x9b", "\u202e", "\x07", "\x00"):
        assert harmful not in shown
    assert shown.count("[2J") == shown.count("owned[2J")
    assert "💀" not in shown
