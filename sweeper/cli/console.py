"""Where a command prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from sweeper.run.streams import STAND_INS


class PlainConsole(Console):
    """A console that takes text as it is, without markup.

    What its stream's encoding lacks is replaced before it is measured, so that the columns of a
    table stay in line.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a text to be shown."""
        readable = text.encode(self.encoding, STAND_INS).decode(self.encoding)
        return super().render_str(readable, **how)


def printer() -> Console:
    """Return standard output: wrapped at words in a terminal, lines as they are elsewhere."""
    console = PlainConsole()
    console.soft_wrap = not console.is_terminal
    return console


def progress_printer() -> Console:
    """Return standard error, where progress is shown, so that the answer stands alone."""
    return PlainConsole(stderr=True)
