"""How reports write numbers: with significant digits only, and a dash where there is none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jinja2 import Undefined

from sweeper.ledger import units

NOTHING = "–"
MAX_DECIMALS = 3
MIN_POWER_OF_TEN = 1e6
"""From here up, what is not counted is written as a power of ten."""


def number(value: Any) -> str:
    """Write a number with three digits, a whole one with all of them; a dash for None and NaN."""
    if _is_nothing(value):
        return NOTHING
    if isinstance(value, int):
        return f"{value}"
    whole = _is_whole(value) or abs(value) >= 1000
    return f"{value:.0f}" if whole and abs(value) < MIN_POWER_OF_TEN else f"{value:.3g}"


def count(value: Any) -> str:
    """Write a count as a whole number, also where pandas keeps it as a float."""
    return NOTHING if _is_nothing(value) else f"{value:.0f}"


def aligned(values: Iterable[Any]) -> Callable[[Any], str]:
    """Return a function that writes the numbers of a column with their decimal points in line.

    There are as many decimals as the smallest number needs to show three digits, but at most two,
    or as many as the largest needs to show three digits. If the smallest would then show fewer
    than two digits, or more than `MAX_DECIMALS` are needed, each number is written by itself.
    """
    present = [abs(value) for value in values if not _is_nothing(value) and math.isfinite(value)]
    sizes = [value for value in present if value > 0]
    if not sizes or all(map(_is_whole, sizes)):
        return number
    least, most = _magnitude(min(sizes)), _magnitude(max(sizes))
    decimals = max(0, min(2 - least, max(2, 2 - most)))
    if decimals > MAX_DECIMALS or decimals < 1 - least or max(sizes) >= MIN_POWER_OF_TEN:
        return number
    return lambda value: NOTHING if _is_nothing(value) else f"{value:.{decimals}f}"


def duration(seconds: Any) -> str:
    """Write a duration in seconds, for example `1 min 20 s`; a dash where there is none."""
    return NOTHING if _is_nothing(seconds) else units.duration(seconds)


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


def listed(words: Sequence[str], once: str = "") -> str:
    """Join words as in a sentence: `a, b and c`; `once` is kept in the first of them only."""
    first, *more = words
    *others, last = [first, *(word.replace(once, "") for word in more)]
    return f"{', '.join(others)} and {last}" if others else last


def unbroken(text: str) -> str:
    """Keep `τ = 25` on one line of a page."""
    return text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def statuses(values: Iterable[str]) -> str:
    """Write how trials ended: `feasible`, or `2 feasible, 1 unsettled`."""
    counts = Counter(map(str, values)).most_common()
    if not counts:
        return NOTHING
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{n} {name}" for name, n in counts)


def _magnitude(value: float) -> int:
    """Return the power of ten of the first digit."""
    return math.floor(math.log10(value))


def _is_whole(value: Any) -> bool:
    return float(value).is_integer()


def _is_nothing(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, Undefined)
        or (isinstance(value, float) and math.isnan(value))
    )
