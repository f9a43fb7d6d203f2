"""How reports write numbers: as many digits as mean something, a dash where there is none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Undefined

from sweeper import words

NOTHING = "–"


def number(value: Any) -> str:
    """Write a number with three digits; a dash for None and for what is not a number."""
    if _is_nothing(value):
        return NOTHING
    if isinstance(value, int):
        return f"{value}"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def duration(seconds: Any) -> str:
    """Write a time span as people say it; a dash where there is none."""
    return NOTHING if _is_nothing(seconds) else words.duration(seconds)


def moment(text: Any) -> str:
    """Write an ISO time to the minute: `2026-11-20 10:00`."""
    return NOTHING if _is_nothing(text) else str(text)[:16].replace("T", " ")


def listing(value: Any) -> str:
    """Write a single value, or the items of a list, as they are."""
    if isinstance(value, list | tuple):
        return ", ".join(listing(item) for item in value) or NOTHING
    if _is_nothing(value):
        return NOTHING
    return f"{value:g}" if isinstance(value, float) else str(value)


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: `a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def statuses(values: Iterable[str]) -> str:
    """Write how trials ended: `feasible`, or `2 feasible, 1 unsettled`."""
    counts = Counter(map(str, values)).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{n} {name}" for name, n in counts)


def _is_nothing(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, Undefined)
        or (isinstance(value, float) and math.isnan(value))
    )
