"""Where a command prints."""

from __future__ import annotations

from rich.console import Console

from sweeper.cli.plain_console import PlainConsole


def printer() -> Console:
    """Return standard output: wrapped at words in a terminal, lines as they are elsewhere."""
    console = PlainConsole()
    console.soft_wrap = not console.is_terminal
    return console
