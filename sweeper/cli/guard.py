"""Exit codes, and errors in one line."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from sweeper.cli.plain_text import one_line
from sweeper.ledger.credentials import without_credentials
from sweeper.run.interruption import EXIT_INTERRUPTED
from trainer.errors import UserError

EXIT_BAD_INPUT = 2


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a user can mend into one line on standard error and exit code 2."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            _check_current_folder()
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


def _check_current_folder() -> None:
    """Refuse a folder that has been deleted: torch's libraries would end the process by themselves.

    Raises:
        UserError: if there is none.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the current folder has been deleted; change to another one") from None


class OneLineGroup(TyperGroup):
    """The outermost group of commands: what its parser refuses is one line on standard error too.

    Typer itself would draw a box of several lines.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; it ends by SystemExit unless `standalone_mode` is False."""
        given = (args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return super().main(*given, **extra)
        try:
            sys.exit(super().main(*given, **extra))
        except TyperException as error:
            message = _parser_message(error)
            if message:  # and no help, which has been shown
                print(f"error: {without_credentials(message)}", file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)


def _parser_message(error: TyperException) -> str:
    """Write what the command parser refused, and where the command is described."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if not message:
        return ""
    message = re.sub(r"\. Did you mean (.+)\?", r"; did you mean \1?", message)
    near = getattr(error, "possibilities", None)  # of an option, the most similar first
    message = re.sub(r" \(Possible options: .+\)", f"; did you mean {near and near[0]}?", message)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "sweeper"
    return f"{message[0].lower()}{message[1:]} (see `{command} --help`)"


def describe_os_error(error: OSError) -> str:
    """Write what the system refused, and of which file."""
    where = f": {error.filename}" if error.filename else ""
    return " ".join(f"{error.strerror or error}{where}".split())


def _refuse(message: str) -> None:
    print(f"error: {one_line(without_credentials(message))}", file=sys.stderr)
    raise typer.Exit(EXIT_BAD_INPUT) from None
