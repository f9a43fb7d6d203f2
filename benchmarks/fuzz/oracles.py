"""What must hold after any case, whatever was done. Each check yields (what kind, what it saw)."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from ledger_auditor import TIMES

from fuzz.case import Case
from fuzz.process import Ran
from fuzz.scene import Entry
from fuzz.values import SECRET

Finding: TypeAlias = tuple[str, str]

TRACEBACK, HANG, OUTSIDE, SECRETS = "traceback", "hang", "changed outside", "secret"

_RAW = re.compile(
    rb"[\w/]+\.(?:cc|cpp|cxx|hpp):\d+|terminate called|core dumped|Segmentation fault|Fatal Python"
    rb"|Exception ignored|\.py:\d+: \w*Warning|Bus error|std::|object at 0x"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_USAGE = re.compile(r"\s*Usage: ")
_SHOWN = re.compile(r"(\x1b\[[\d;?]*[A-Za-z]|\r)+")
"""What moves a terminal's cursor and colours its text: ours, not words."""
csv.field_size_limit(2**31 - 1)
_EXECUTED = re.compile("^[=@+-](?![0-9.]|$|inf|nan)")

CACHES = ["home/.cache", "home/.config", "home/.ray"]
"""Ours, matplotlib's and Ray's: kept for the next run, in the user's own home."""


def judge_command(case: Case, ran: Ran) -> Iterator[Finding]:
    """Judge what one command printed and how it ended."""
    output = ran.stdout + ran.stderr
    if b"Traceback" in output:
        yield TRACEBACK, _line_with(output, b"Error") or _line_with(output, b"Traceback")
    elif found := _RAW.search(output):
        yield "raw text", _line_with(output, found.group())
    if ran.code is None:
        yield HANG, f"{ran.own_seconds:.0f} s of its own time ({ran.seconds:.0f} s)"
    elif ran.code not in (0, 1, 2, 130) or (ran.interrupted and ran.code == 1):
        yield "exit code", f"{ran.code}{' after SIGINT' if ran.interrupted else ''}"
    elif case.expected not in (None, ran.code):
        yield "exit code", f"{ran.code} instead of {case.expected}: {output[-300:]!r}"
    for path in ran.secrets:
        yield SECRETS, f"in {path}"
    if SECRET.encode() in output:
        yield SECRETS, f"printed: {_line_with(output, SECRET.encode())}"
    if case.streams == "terminal":
        if b"\x1b]0;FUZZ" in output or b"\x1b[2JFUZZ" in output:
            yield "control characters", "a study's own, in a terminal"
    elif not case.variables.keys() & {
        "PYTHONIOENCODING",
        "LC_ALL",
        "FORCE_COLOR",
        "TTY_COMPATIBLE",
    }:
        text = output.decode(errors="replace")
        if found_in := _CONTROL.search(text):
            yield "control characters", repr(text[max(0, found_in.start() - 30) :][:60])
    if case.streams in ("files", "terminal") and not case.limits and ran.code is not None:
        yield from _judge_words(case, ran)


def _judge_words(case: Case, ran: Ran) -> Iterator[Finding]:
    """Judge whether a command said what it should."""
    stderr = ran.stderr.decode(errors="replace")
    everything = _SHOWN.sub("\n", stderr + ran.stdout.decode(errors="replace"))
    errors = re.findall("^error: .*", everything, re.MULTILINE)
    asked_for_help = not set(ran.words) - {"run", "data"} and _USAGE.match(everything)
    if ran.code == 2 and len(errors) != 1 and not asked_for_help:
        yield "error line", f"exit code 2 with {len(errors)} error lines: {everything[:200]!r}"
    if ran.code == 2 and errors and not re.search(r"\w", errors[0][7:]):
        yield "error line", f"it says nothing: {errors[0]!r}"
    if ran.code == 1 and not everything.strip():
        yield "error line", "exit code 1 without a word"
    if ran.code == 0 and errors:
        yield "error line", f"exit code 0, but: {errors[0]!r}"
    alone = case.streams == "files"  # and not beside the warnings, as in a terminal
    if ran.code == 0 and alone and "--json" in ran.words and "--help" not in ran.words:
        try:
            json.loads(ran.stdout, parse_constant=_refuse_constant)
        except ValueError as error:
            yield "not JSON", f"{error}: {ran.stdout[:80]!r}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _line_with(output: bytes, words: bytes) -> str:
    lines = [line for line in output.splitlines() if words in line]
    return lines[-1].decode(errors="replace").strip()[:300] if lines else ""


def judge_ray_folder(folder: Path) -> Iterator[Finding]:
    """Judge what a sweep that ended well has left where Ray has its files: nothing."""
    if left := sorted(path.name for path in folder.glob("*")):
        yield OUTSIDE, f"{', '.join(left)} left in {folder}"


def judge_folder(
    case: Case, folder: Path, before: Mapping[str, Entry], after: Mapping[str, Entry]
) -> Iterator[Finding]:
    """Judge what changed in the case's folder: nothing that was there, but in the study."""
    inside = ["work", "moved"] if case.folder_gone else ["work/studies/s"]
    named = list(_named(case, folder))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new or _below(name, inside):
            continue
        new_file_where_it_may_be = old is None and (
            _below(name, [*CACHES, *named]) or _new_parent(name, named)
        )
        cached = _below(name, CACHES)
        if not (new_file_where_it_may_be or cached):
            what = "created" if old is None else "deleted" if new is None else "changed"
            yield OUTSIDE, f"{name} {what}"
    for name, entry in after.items():
        if entry.secret and not (name in before and before[name].secret):
            yield SECRETS, f"in {name}"
        if (
            case.umask == 0o077
            and entry.kind == "file"
            and name not in before
            and entry.mode & 0o77
        ):
            yield "file modes", f"{name} has mode {entry.mode:03o} under umask 077"
    looks = not any(command[:1] in (["run"], ["report"]) for command in case.commands)
    if looks and not case.folder_gone:
        changed = [name for name in before.keys() | after.keys()
                   if before.get(name) != after.get(name) and _below(name, inside)]  # fmt: skip
        if changed:
            yield "changed by looking", ", ".join(sorted(changed)[:3])


def _named(case: Case, folder: Path) -> Iterator[str]:
    """Yield the places that the case's commands and variables name, where something may be made."""
    yield "work/studies"
    yield from (f"work/{word}.png" for command in case.commands for word in command)
    words = [word for command in case.commands for word in case.words(command, folder)]
    words += [text for name, text in case.environment(folder).items() if name in case.variables]
    for word in words:
        for text in filter(None, (word, word.partition("=")[2])):
            path = text.removeprefix("file://")
            for meant in (path, path.replace("~", str(folder / "home"), 1)):
                place = os.path.relpath(folder / "work" / meant, folder)
                if not place.startswith("..") and place not in (".", "work", "home", "tmp"):
                    yield place


def _below(name: str, places: list[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _new_parent(name: str, places: list[str]) -> bool:
    """Return whether a folder had to be made for one of the places."""
    return any(place.startswith(f"{name}/") for place in places)


def intact_rows(study: Path, untouched: Path) -> dict[str, str]:
    """Read the rows that are as they were when the study was whole: by trial, less the times."""
    rows: dict[str, str] = {}
    for path in sorted(study.glob("trials/*.parquet")):
        twin = untouched / "trials" / path.name
        if path.is_symlink() or path.parent.is_symlink() or not (path.is_file() and twin.is_file()):
            continue
        if path.read_bytes() == twin.read_bytes():
            rows |= _rows(path)
    return rows


def rows_of(study: Path) -> dict[str, str]:
    """Read all rows that can be read: by trial, less the times."""
    rows: dict[str, str] = {}
    for path in sorted(study.glob("trials/*.parquet")):
        if path.is_file():
            try:
                rows |= _rows(path)
            except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
                continue  # damaged by the case
    return rows


def _rows(path: Path) -> dict[str, str]:
    table = pq.ParquetFile(path).read(use_threads=False)
    left_out = (*TIMES, "versions")
    return {
        str(row["trial_id"]): repr(
            [(name, row[name]) for name in _COMPARED if name not in left_out]
        )
        for row in table.to_pylist()
    }


_COMPARED = ("status", "open_gates", "train_sse", "test_sse_sampled", "lambda", "kl", "spec")


def judge_rows(intact: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Finding]:
    """Judge whether the rows that were intact are still there, and the same."""
    for trial, row in intact.items():
        if now.get(trial) != row:
            yield "row lost", f"{trial} is {'changed' if trial in now else 'gone'}"


def judge_report(study: Path) -> Iterator[Finding]:
    """Judge whether a report has let something through that a program would execute."""
    folder = study / "report"
    if folder.is_symlink() or not folder.is_dir():
        return
    page = folder / "report.html"
    if page.is_file() and not page.is_symlink() and b"<script>FUZZ" in page.read_bytes():
        yield "markup", "a study's own script is in report.html"
    for path in folder.glob("*.csv"):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open(newline="", errors="replace") as file:
            cells: list[Any] = [cell for line in csv.reader(file) for cell in line]
        for cell in cells:
            if _EXECUTED.match(cell):
                yield "formula", f"{path.name}: {cell[:60]!r}"
                break
