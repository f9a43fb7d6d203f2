"""A process, just forked, becomes a command of a case."""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

from fuzz.case import Case
from fuzz.isolation import drop_privileges

MEMORY = 4 * 2**30
"""Bytes of address space beyond those that the program has with everything imported."""


def become(
    case: Case, words: list[str], folder: Path, outputs: list[Path],
    terminal: tuple[int, int] | None,
) -> NoReturn:  # fmt: skip
    """Be the command, in a process that was just forked."""
    try:
        os.setsid()
        os.chdir(folder / "work")
        _redirect(case, outputs, terminal)
        if case.folder_gone:
            (folder / "work").rename(folder / "moved")
            (folder / "moved" / "gone").mkdir()
            os.chdir(folder / "moved" / "gone")
            (folder / "moved" / "gone").rmdir()
        os.umask(case.umask)
        _limit(case)
        drop_privileges()
        environment = case.environment(folder)
        if case.own_process:
            program = Path(sys.executable).with_name("sweeper")
            os.execve(program, [os.fsencode(word) for word in ("sweeper", *words)], environment)
        _run_main(words, environment, case)
    except BaseException:
        traceback.print_exc()
    os._exit(99)


def _redirect(case: Case, outputs: list[Path], terminal: tuple[int, int] | None) -> None:
    if terminal:
        os.login_tty(terminal[1])
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number, path in enumerate(outputs, start=1):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    unread, written = os.pipe()
    os.close(unread)
    full = os.open("/dev/full", os.O_WRONLY)
    closed = {"no stdout": (1,), "no stderr": (2,), "neither": (1, 2)}.get(case.streams, ())
    for number in closed:
        os.close(number)
    if case.streams == "full":
        os.dup2(full, 1)
    for number in {"no reader": (1,), "no readers": (1, 2)}.get(case.streams, ()):
        os.dup2(written, number)
    os.close(written)
    os.close(full)


def _limit(case: Case) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    if case.kind != "Ray":  # which maps memory that it does not use
        most = MEMORY + (used if not case.own_process else 4 * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in case.limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _run_main(words: list[str], environment: dict[str, str], case: Case) -> NoReturn:
    """Run the command line in this process as if Python had just started it."""
    from sweeper.cli.main import main

    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["sweeper", *words]
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115
        2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
