"""JSON that somebody else may have written, parsed within bounds, so that it can do no harm."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_SIZE = 2**26
MAX_VALUES = 2**22
"""Commas and brackets, of which every value has at least one: more would take gigabytes."""
MAX_DEPTH = 16
MAX_TEXT = 2**21
"""Characters of a string."""
MAX_WHOLE = 2**63
"""Whole numbers are below this, in size: what a column of a table can hold."""


def parse(content: bytes | str, *, max_size: int = MAX_SIZE) -> Any:
    """Parse JSON. Halves of surrogate pairs, which no output can show, become question marks.

    Args:
        content: the JSON text.
        max_size: bytes or characters, at most.

    Raises:
        ValueError: if it is no JSON, or beyond a bound of this module.
    """
    if len(content) > max_size:
        raise ValueError(f"it is too large: {len(content):,} bytes, at most {max_size:,} are read")
    text = content if isinstance(content, str) else content.decode()
    if text.count(",") + text.count("[") + text.count("{") > MAX_VALUES:
        raise ValueError(f"it has too many values, at most {MAX_VALUES:,} are read")
    try:
        return _bounded(_DECODER.decode(text), MAX_DEPTH)
    except RecursionError:
        raise _too_deep() from None


def parse_object(content: bytes | str, *, max_size: int = MAX_SIZE) -> dict[str, Any]:
    """Parse a JSON object, as `parse` does.

    Raises:
        ValueError: also if it is another value.
    """
    value = parse(content, max_size=max_size)
    if not isinstance(value, dict):
        raise ValueError(f"it is {type(value).__name__} where a JSON object should be")
    return value


def _bounded(value: Any, depth: int) -> Any:
    """Return a parsed value with its strings made printable, if it is within the bounds."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is float and not math.isfinite(value):
        raise ValueError("it holds a number that is not finite")
    if kind is int and abs(value) >= MAX_WHOLE:
        raise ValueError("it holds a whole number of more than 63 bits")
    if kind is not list and kind is not dict:
        return value
    if not depth:
        raise _too_deep()
    if kind is list:
        return [_bounded(each, depth - 1) for each in value]
    return {_text(name): _bounded(each, depth - 1) for name, each in value.items()}


def _text(value: str) -> str:
    if len(value) > MAX_TEXT:
        raise ValueError(f"it holds a string of {len(value):,} characters, at most {MAX_TEXT:,}")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _too_deep() -> ValueError:
    return ValueError(f"it is nested too deeply, at most {MAX_DEPTH} levels are read")
