"""Where the command line is entered: a run on Ray goes into a child process.

That is decided before anything is imported that takes memory or starts a thread, by the words of
the command line alone. A command that is wrongly taken for a run on Ray works as well in a child.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sweeper.cli.plain_text import log_plainly, plain
from sweeper.ledger.credentials import HIDDEN, without_credentials
from sweeper.run.interruption import EXIT_INTERRUPTED, release_dead_terminal
from sweeper.run.streams import make_streams_reliable, output_problem
from sweeper.run.supervisor import Loss, supervise

EXIT_FAILED = 1


def main() -> None:
    """Run the command line."""
    make_streams_reliable()
    if not needs_supervision(sys.argv[1:]):
        _run_app()
        return
    try:
        sys.exit(supervise(_run_app, report_loss))
    except KeyboardInterrupt:  # the run was lost, and its storage may not answer
        sys.exit(EXIT_INTERRUPTED)


def typed_command() -> str:
    """Return the command line as it can be typed again; a user's script may have led here.

    Credentials in it are left out: it is recorded, and printed. So are bytes that are no UTF-8.
    """
    program = Path(sys.argv[0])
    ours = program.name in ("sweeper", "__main__.py")
    words = [*(["sweeper"] if ours else ["python", str(program)]), *sys.argv[1:]]
    shown = [without_credentials(word) for word in words]
    text = shlex.join(shown) + ("" if shown == words else f"  # fill in {HIDDEN}")
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def needs_supervision(arguments: Sequence[str]) -> bool:
    """Return whether a command line trains on Ray, whose end may end its process."""
    if arguments[:1] != ["run"] or not {"--dry-run", "--help"}.isdisjoint(arguments):
        return False
    local = ("--backend", "local") in itertools.pairwise(arguments)
    return not local and "--backend=local" not in arguments


def report_loss(loss: Loss) -> int:
    """Report a lost run on standard error and in its study, and return the exit code."""
    from sweeper.run.lost import close_lost_run
    from trainer.errors import UserError

    release_dead_terminal()
    if sys.stderr is not None and sys.stderr.isatty():
        print("\x1b[?25h", file=sys.stderr)  # the live table had hidden the cursor
    if not (loss.facts or loss.signalled):
        why = f": {loss.raw_text}" if loss.raw_text else ""
        print(plain(f"error: ended by {loss.reason} before the run began{why}"), file=sys.stderr)
        return EXIT_FAILED
    print(
        f"interrupted, with the run's own process gone ({loss.reason}): trials go on from "
        f"their last checkpoints; run the same command again:\n  {typed_command()}",
        file=sys.stderr,
    )
    if loss.facts:
        with contextlib.suppress(OSError, UserError):  # as good as killed, which shows as well
            close_lost_run(**loss.facts, reason=f"{loss.reason}\n{loss.raw_text}".strip())
    return EXIT_INTERRUPTED


def _run_app() -> None:
    from sweeper.cli.app import app

    log_plainly()
    try:
        app()
    except SystemExit as end:
        problem = output_problem()
        if problem is not None and not end.code:  # all was done, but its answer is lost
            print(f"error: cannot write to standard output: {problem.strerror}", file=sys.stderr)
            sys.exit(EXIT_FAILED)
        raise
