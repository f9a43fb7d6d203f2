"""Where a command prints: on a console on which no text can do anything but be shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sweeper.cli.plain_text import plain
from sweeper.run.streams import STAND_INS


class PlainConsole(Console):
    """A rich console that takes strings for text, never for markup, and shows them as `plain`.

    Colours and the movements of a live table, which are not text, are as usual. What its stream's
    encoding lacks is replaced before it is measured, so that the columns of a table stay in line.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a text to be shown."""
        readable = text.encode(self.encoding, STAND_INS).decode(self.encoding)
        return super().render_str(readable, **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render something, with its text made plain."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(plain(text), style)


def printer() -> Console:
    """Return standard output: wrapped at words in a terminal, lines as they are elsewhere."""
    console = PlainConsole()
    console.soft_wrap = not console.is_terminal
    return console


def progress_printer() -> Console:
    """Return standard error, where progress is shown, so that the answer stands alone."""
    return PlainConsole(stderr=True)
