"""Standard output and error streams that no encoding, reader or full disk can break.

What a command prints is the least of what it does: a run goes on and its report is written whether
anybody reads along or not. So a character that a stream's encoding lacks is written as something
readable, and what cannot be written at all is dropped.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import select
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STAND_INS = "sweeper-stand-ins"
"""The codec error handler under which `stand_ins` is registered."""

_ASCII = {
    **dict.fromkeys("–—−‐‑─━═╴╶╸╺╌╍┄┅", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("·•", "*"),
    **dict.fromkeys("′’‘", "'"),
    **dict.fromkeys("“”", '"'),
    **{"×": "x", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "∞": "inf"},
    **{"‖": "||", "→": "->", "←": "<-", "…": "...", "✓": "ok", "²": "^2", "³": "^3"},
}
"""How people write these where there is nothing but ASCII."""

_GREEK = re.compile("GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")

_SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
"""Environment variables that say how large a terminal is."""

_BOXES, _SPINNERS = range(0x2500, 0x2580), range(0x2800, 0x2900)


def stand_ins(text: str) -> str:
    """Return characters as ASCII: `τ ≤ λ′` as `tau <= lambda'`, unknown ones by their number."""
    return "".join(map(_stand_in, text))


def _stand_in(character: str) -> str:
    if character.isascii():
        return character
    if character in _ASCII:
        return _ASCII[character]
    greek = _GREEK.fullmatch(unicodedata.name(character, ""))
    if greek is not None:
        name = greek[2].replace("LAMDA", "LAMBDA")
        return name.lower() if greek[1] == "SMALL" else name.capitalize()
    if ord(character) in _BOXES:
        return "+"
    if ord(character) in _SPINNERS:
        return "*"
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or character.encode("ascii", "backslashreplace").decode()


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return stand_ins(error.object[error.start : error.end]), error.end


codecs.register_error(STAND_INS, _replace)


class _Outlet(io.FileIO):
    """A file descriptor that takes everything: after the first error, what it takes is dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.problem: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        size = memoryview(content).nbytes
        try:
            written = super().write(content)
            while written is None:  # a pipe that is full, and that someone made non-blocking
                select.select([], [self], [])
                written = super().write(content)
        except OSError as error:
            self.problem = self.problem or error
            _divert(self.fileno())
            return size
        return written


class ReliableStream(io.TextIOWrapper):
    """A stream on a file descriptor, to which writing never fails."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._outlet = _Outlet(descriptor)
        super().__init__(
            io.BufferedWriter(self._outlet),
            encoding=encoding,
            errors=STAND_INS,
            line_buffering=True,
        )

    @property
    def problem(self) -> OSError | None:
        """Why something could not be written, unless its reader had simply read enough."""
        found = self._outlet.problem
        return None if found is not None and found.errno == errno.EPIPE else found


def make_streams_reliable() -> None:
    """Replace this process's standard output and error by streams that nothing breaks.

    A terminal's size in the environment that nobody could read at is forgotten.
    Descriptors that were closed are opened to nowhere first, since the next file that is opened
    would get their number, and with it whatever libraries print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _divert(descriptor)
    for name in _SIZES:
        if not re.fullmatch("[1-9][0-9]{1,3}", os.environ.get(name, "80")):
            del os.environ[name]
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        encoding = "utf-8" if before is None else before.encoding
        stream = ReliableStream(descriptor, encoding)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def output_problem() -> OSError | None:
    """Return why standard output could not be written to its end; None if it could be.

    A reader that closed its end, as `head` does, has what it wanted.
    """
    if not isinstance(sys.stdout, ReliableStream):
        return None
    sys.stdout.flush()
    return sys.stdout.problem


def _divert(descriptor: int) -> None:
    """Redirect a file descriptor to nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
