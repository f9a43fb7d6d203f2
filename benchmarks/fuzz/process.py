"""Runs one command of a case to its end, or to its limit."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import processes_of, processes_with

from fuzz.case import Case
from fuzz.child import become
from fuzz.values import SECRET

LIMIT = 20.0
"""Seconds of its own time after which a command counts as hanging."""
RAY_LIMIT = 90.0
"""For a sweep on Ray, which starts a dozen processes and trains."""
PATIENCE = 6.0
"""So many times its limit a command may take on a busy machine, whatever it was doing."""
OUTPUT = 4 * 2**20
"""Bytes of output that are kept."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended."""

    words: list[str]
    code: int | None
    """Its exit code, minus the signal's number if one ended it; None if it was killed here."""
    stdout: bytes
    stderr: bytes
    """Both of a terminal are in `stdout`."""
    seconds: float
    own_seconds: float
    """Without the time that it waited for a processor."""
    secrets: list[str]
    """Files outside the case's folder that held a credential while it ran."""
    interrupted: bool
    """Whether it was still training, with something to show for it, and was sent SIGINT."""


def in_child(work: Callable[[], Any]) -> Any:
    """Do work in a child process and return its result, which JSON can write.

    Raises:
        RuntimeError: if it raised.
    """
    with tempfile.TemporaryFile() as answer:
        child = os.fork()
        if not child:
            try:
                text, code = json.dumps(work()), 0
            except BaseException:
                text, code = traceback.format_exc(), 1
            answer.write(text.encode())
            answer.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        answer.seek(0)
        text = answer.read().decode()
    if status:
        raise RuntimeError(text)
    return json.loads(text)


def run(case: Case, command: list[str], folder: Path, number: int) -> Ran:
    """Run a command of a case.

    Args:
        case: the case.
        command: its words.
        folder: the case's folder.
        number: of the command among those of the case.
    """
    words = case.words(command, folder)
    outputs = [folder / "output" / f"{number}.{name}" for name in ("out", "err")]
    terminal = pty.openpty() if case.streams == "terminal" else None
    began = time.monotonic()
    child = os.fork()
    if not child:
        become(case, words, folder, outputs, terminal)
    if terminal:
        os.close(terminal[1])
        os.set_blocking(terminal[0], False)
    secrets: set[str] = set()
    code, own, interrupted = _wait(child, case, words, folder, terminal, outputs[0], secrets)
    if terminal:
        _copy(terminal[0], outputs[0])
        os.close(terminal[0])
    texts = [path.read_bytes()[:OUTPUT] if path.exists() else b"" for path in outputs]
    seconds = time.monotonic() - began
    return Ran(
        words=words,
        code=code,
        stdout=texts[0],
        stderr=texts[1],
        seconds=seconds,
        own_seconds=own or seconds,
        secrets=sorted(secrets),
        interrupted=interrupted,
    )


def _wait(
    child: int, case: Case, words: list[str], folder: Path,
    terminal: tuple[int, int] | None, shown: Path, secrets: set[str],
) -> tuple[int | None, float, bool]:  # fmt: skip
    """Wait for the end of a command, or end it; gives code, own seconds, whether interrupted."""
    trains = words[:1] == ["run"] and not {"--dry-run", "--help"} & set(words)
    limit = first = RAY_LIMIT if case.kind == "Ray" and "--address" not in words else LIMIT
    began, pause, interrupted = time.monotonic(), 0.002, False
    while True:
        if terminal:
            _copy(terminal[0], shown)
        ended, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - began
        if ended:
            _kill(child, folder, case)
            return os.waitstatus_to_exitcode(status), 0.0, interrupted
        if case.ray_folder:
            secrets |= secrets_in(Path(case.ray_folder))
        pause = min(0.25, pause * 1.3)
        time.sleep(pause)
        if seconds < limit:
            continue
        own = seconds - _waited(child)
        if own < limit and seconds < PATIENCE * limit:
            continue
        if trains and not interrupted and _writes(folder):
            os.kill(child, signal.SIGINT)
            interrupted, limit = True, own + first
            continue
        _kill(child, folder, case)
        os.waitpid(child, 0)
        return None, own, interrupted


def secrets_in(folder: Path) -> set[str]:
    """List the files below a folder that hold a credential, as they are at this moment."""
    found = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it has gone
            if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes():
                found.add(str(path))
    return found


def _waited(leader: int) -> float:
    """Return how long, in seconds, that thread of a session waited that waited longest."""
    waits = [0]
    for process in processes_of(leader):
        with contextlib.suppress(OSError):  # it has ended
            for task in Path(f"/proc/{process}/task").iterdir():
                waits.append(int((task / "schedstat").read_text().split()[1]))
    return max(waits) / 1e9


def _writes(folder: Path) -> bool:
    """Return whether a study of the case was written to in these seconds: it is being trained."""
    paths = (folder / "work").rglob("*")
    newest = max((path.lstat().st_mtime for path in paths if path.exists()), default=0.0)
    return time.time() - newest < 10


def _kill(child: int, folder: Path, case: Case) -> None:
    """Kill what is left of a command."""
    left = set(processes_of(child))
    if case.own_process:
        left |= set(processes_with(f"GOOGLE_APPLICATION_CREDENTIALS={folder}/home/google.json"))
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _copy(terminal: int, path: Path) -> None:
    with contextlib.suppress(OSError), path.open("ab") as file:  # nothing to read, or closed
        while content := os.read(terminal, 65536):
            file.write(content)
