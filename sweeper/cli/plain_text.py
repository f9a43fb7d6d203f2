"""Text that somebody else may have written, made harmless for a terminal and for a line."""

from __future__ import annotations

import logging
from typing import Any

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]  # C0, delete and C1: among them a terminal's escapes
_BIDI = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_LINE_ENDS = dict.fromkeys("\t\n\x0b\x0c\r\x85\u2028\u2029", " ")

_REMOVED: dict[int, Any] = dict.fromkeys([*_CONTROLS, *_BIDI])
_KEEPING_LINES = _REMOVED | {ord("\n"): "\n", ord("\t"): "\t", 0x2028: "\n", 0x2029: "\n"}
_ONE_LINE = _REMOVED | str.maketrans(_LINE_ENDS)


def plain(text: str) -> str:
    """Return text without control characters and without what reverses its direction.

    Lines stay lines.
    """
    return text.translate(_KEEPING_LINES)


def one_line(text: str) -> str:
    """Return text as `plain` does, in one line: a space for each end of a line."""
    return text.translate(_ONE_LINE)


class PlainFormatter(logging.Formatter):
    """Writes a log record's message as one line of plain text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return one_line(record.getMessage())


def log_plainly() -> None:
    """Have warnings that nobody else listens to written as plain text to standard error."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PlainFormatter())
