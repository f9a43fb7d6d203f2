"""A command's work in a child process, so that its end is reported, whatever ends it.

Ray's C++ ends the process that uses it, with a text of its own, when some of Ray's own processes
die first. So that process is a child, and its parent, which imports little, outlives it:

- The child leads a process group. So a signal to the user's group (Ctrl-C, batch systems) reaches
  the parent alone, which passes it on. Ray's processes are in the child's group and live on until
  the child stops them.
- The child's file descriptor 2 is a temporary file that is read only if the child is lost. Python's
  own `sys.stderr` is the user's.
- When the child has ended, what is left of its group is killed; when the parent dies, all of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from sweeper.run.interruption import EXIT_INTERRUPTED, GRACE_SECONDS, stop_signals
from sweeper.run.parent import Link, connect, report_to_parent
from sweeper.run.streams import ReliableStream

STOP_SECONDS = int(GRACE_SECONDS) + 10
"""A child that has not ended so long after the first signal, as it should have, is killed."""

RAW_TEXT_BYTES = 2000
"""How much of the end of a lost child's raw text is kept."""


@dataclass(frozen=True)
class Loss:
    """The death of a child that did not end by its own hand."""

    reason: str
    """For people: `exit code 1`, or a signal's name."""
    raw_text: str
    """The end of what was written to its file descriptor 2, past Python."""
    signalled: bool
    """Whether a signal had been passed on to it."""
    facts: dict[str, Any]
    """What it had reported (`sweeper.run.parent.report_to_parent`)."""


def supervise(work: Callable[[], object], on_loss: Callable[[Loss], int]) -> int:
    """Do work in a child process and return its exit code, in the parent.

    Call it before any thread exists. In the child it ends as a program does, by SystemExit.

    Args:
        work: what to do; its end, also by SystemExit or an exception, is that of the child.
        on_loss: called in the parent if the child died otherwise; returns the exit code.
    """
    link = Link()
    awaited = {*stop_signals(), signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD, signal.SIGALRM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    with tempfile.TemporaryFile() as raw_text:
        child = os.fork()
        if child == 0:
            _detach(link, raw_text)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            _do(work)
        os.setpgid(child, child)  # as the child does: whichever is first
        os.close(link.messages[1])
        _pass_signals_on(child, link, awaited)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        signal.alarm(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return _exit_code(status, link, raw_text, on_loss)


def _pass_signals_on(child: int, link: Link, awaited: Set[signal.Signals]) -> None:
    """Return when the child has ended; it is not reaped yet, so that its id stays its own."""
    while True:
        number = signal.sigwait(awaited)
        if number == signal.SIGCHLD:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
        elif number == signal.SIGTSTP:  # Ctrl-Z: stop with all that is ours, as a group does
            os.killpg(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        elif number == signal.SIGCONT:
            os.killpg(child, signal.SIGCONT)
        elif number == signal.SIGALRM:
            os.kill(child, signal.SIGKILL)
        else:
            if not link.signals[0]:
                signal.alarm(STOP_SECONDS)
            link.signals[0] = min(link.signals[0] + 1, 255)
            os.kill(child, number)


def _exit_code(status: int, link: Link, raw_text: IO[bytes], on_loss: Callable[[Loss], int]) -> int:
    with os.fdopen(link.messages[0], "rb") as messages:
        os.set_blocking(messages.fileno(), False)  # a stray process may have the other end open
        lines = (messages.read() or b"").splitlines()
    facts: dict[str, Any] = {}
    for line in lines:
        facts |= json.loads(line)
    code = os.waitstatus_to_exitcode(status)
    if code == EXIT_INTERRUPTED:  # no one else's exit code; see `Run.leave`, which ends at once
        return code
    if "exit_code" in facts:
        return int(facts["exit_code"])
    raw_text.seek(max(0, raw_text.seek(0, os.SEEK_END) - RAW_TEXT_BYTES))
    return on_loss(
        Loss(
            reason=f"exit code {code}" if code >= 0 else signal.Signals(-code).name,
            raw_text=raw_text.read().decode(errors="replace").strip(),
            signalled=bool(link.signals[0]),
            facts=facts,
        )
    )


def _detach(link: Link, raw_text: IO[bytes]) -> None:
    """Make this process, just forked, a child as the module's text describes it."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it writes to the terminal all the same
    os.close(link.lifeline[1])
    connect(link)
    threading.Thread(target=_end_with_parent, args=(link,), name="lifeline", daemon=True).start()
    if sys.stdin is not None and sys.stdin.isatty():  # a read would stop the group for good
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    if sys.stderr is not None:
        shown = os.dup(sys.stderr.fileno())
        encoding = sys.stderr.encoding
        os.dup2(raw_text.fileno(), sys.stderr.fileno())
        sys.stderr = ReliableStream(shown, encoding)
        sys.__stderr__ = sys.stderr  # type: ignore[misc]


def _end_with_parent(link: Link) -> None:
    os.read(link.lifeline[0], 1)
    os.killpg(0, signal.SIGKILL)


def _do(work: Callable[[], object]) -> NoReturn:
    """Do the work, report to the parent how it ended, and end likewise."""
    try:
        work()
    except SystemExit as end:
        plain = end.code if isinstance(end.code, int) else int(end.code is not None)
        report_to_parent(exit_code=plain)
        raise
    except KeyboardInterrupt:  # before or after what handles it better
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except BaseException:
        report_to_parent(exit_code=1)
        raise
    report_to_parent(exit_code=0)
    sys.exit(0)
