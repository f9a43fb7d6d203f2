"""Exit codes, and errors in one line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

from sweeper.cli.plain_text import one_line
from sweeper.run.interruption import EXIT_INTERRUPTED
from trainer.errors import UserError

EXIT_BAD_INPUT = 2


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a user can mend into one line on standard error and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            _refuse(str(error))
        except OSError as error:
            # Nothing is half-written: every file is written whole or not at all.
            _refuse(describe_os_error(error))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return run


def describe_os_error(error: OSError) -> str:
    """Write what the system refused, and of which file."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _refuse(message: str) -> None:
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise typer.Exit(EXIT_BAD_INPUT) from None
