"""The range grammar of the command line: `3..30`, `0.5..3.5..0.5`, `3..30@10`, `3,4,6.5`, `paper`.

    range := part ("," part)*
    part  := number | low ".." high | low ".." high ".." step | low ".." high "@" count | "paper"

Ranges run upwards and include their low end. With a step, the high end is included if it is hit
exactly and is never exceeded, as in the shell's braces; without one, the ends are whole numbers
and the step is 1. `@` spaces its values geometrically, both ends included. Values are fractions
until the end, so that 0.1..0.7..0.1 is seven clean ones; they come out sorted, without duplicates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import TypeAlias

from trainer.errors import UserError, shortened

MAX_VALUES = 100_000
"""A range of more values is taken for a mistake and refused before it is built."""

MAX_TRIALS = 200_000
"""So many take five seconds to plan; more at once are taken for a mistake."""

TAUS = "3..30, 0.5..3.5..0.5, 3..30@10 or 3,4,6.5"
WIDTHS = "16, 10..50..10, 4..64@5 or 8,16,32"
SEEDS = "3 for seeds 0, 1 and 2, 7..7 for seed 7, or 0,3,7"
"""The examples that a refusal shows."""

_LARGEST_INT = 2**63 - 1
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 100  # characters

_Check: TypeAlias = Callable[[Fraction], None]
_Counted: TypeAlias = tuple[int, Iterable[Fraction]]  # how many values will come, and they


class _RangeError(Exception):
    """Why a range is refused; `_refusal` makes the user's error of it."""


def parse_floats(
    text: str, *, option: str = "--taus", paper: Sequence[float] = ()
) -> tuple[float, ...]:
    """Parse a range of positive numbers, such as values of τ.

    Args:
        text: as typed, for example `3..30..3`.
        option: what an error calls it.
        paper: what `paper` stands for.

    Returns:
        At least one value, ascending, all different, all > 0. Geometric values between the ends
        have six significant digits.

    Raises:
        UserError: if it is malformed, empty, downwards, not positive and finite throughout, or
            has more than `MAX_VALUES` values; says why and gives examples.
    """

    def check(number: Fraction) -> None:
        if number <= 0:
            raise _RangeError(f"{float(number):g} is not above 0")

    try:
        return tuple(sorted({float(value) for value in _parse(text, check, paper)}))
    except _RangeError as reason:
        raise _refusal(option, text, reason, TAUS) from None


def parse_ints(
    text: str,
    *,
    option: str = "--widths",
    minimum: int = 1,
    paper: Sequence[int] = (),
    examples: str = WIDTHS,
) -> tuple[int, ...]:
    """Parse a range of whole numbers, such as widths.

    Args:
        text: as typed, for example `8,16,32` or `4..64@5`.
        option: what an error calls it.
        minimum: the smallest value allowed.
        paper: what `paper` stands for.
        examples: what an error shows.

    Returns:
        At least one value, ascending, all different, all ≥ `minimum`. Geometric values are
        rounded to whole numbers, so there can be fewer of them than were asked for.

    Raises:
        UserError: as `parse_floats`, and for a number that is not whole or below `minimum`.
    """

    def check(number: Fraction) -> None:
        if number.denominator != 1:
            raise _RangeError(f"{float(number):g} is not a whole number")
        if not minimum <= number <= _LARGEST_INT:
            raise _RangeError(f"{shortened(str(number))} is not from {minimum} to 2^63 - 1")

    try:
        return tuple(sorted({round(value) for value in _parse(text, check, paper)}))
    except _RangeError as reason:
        raise _refusal(option, text, reason, examples) from None


def parse_seeds(text: str, *, option: str = "--seeds") -> tuple[int, ...]:
    """Parse seeds: `N` alone means the N seeds 0 … N-1; anything else is a range of seeds.

    So `3` is 0, 1, 2; `0,3,7` and `5..9` are these seeds; `7..7` is seed 7 alone.

    Raises:
        UserError: as `parse_ints` with a minimum of 0, and for a number of seeds below 1.
    """
    try:
        count = _number(text.strip())
    except _RangeError:  # not a number alone
        return parse_ints(text, option=option, minimum=0, examples=SEEDS)
    if count.denominator != 1 or not 1 <= count <= MAX_VALUES:
        reason = f"a number alone is the number of seeds, from 1 to {MAX_VALUES}"
        raise _refusal(option, text, reason, SEEDS)
    return tuple(range(int(count)))


def check_product(**counts: int) -> None:
    """Check, before any trial is built, that the combinations of some ranges are not too many.

    Args:
        counts: how many values each has, by its option: `taus=10, seeds=3`.

    Raises:
        UserError: if they are more than `MAX_TRIALS`.
    """
    trials = math.prod(counts.values())
    if trials > MAX_TRIALS:
        factors = " × ".join(
            f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n > 1
        )
        raise UserError(
            f"{factors} are {trials:,} trials, and {MAX_TRIALS:,} is the most that one command "
            "can ask for; ask for fewer values"
        )


def _parse(text: str, check: _Check, paper: Sequence[float]) -> Iterator[Fraction]:
    """Understand every part, and refuse too many values, before a value is made."""
    total = 0
    parts = []
    for part in text.split(","):
        count, values = _parse_part(part.strip(), check, paper)
        total += count
        if total > MAX_VALUES:
            raise _RangeError(f"it has more than {MAX_VALUES} values")
        parts.append(values)
    return chain.from_iterable(parts)


def _parse_part(part: str, check: _Check, paper: Sequence[float]) -> _Counted:
    if not part:
        raise _RangeError("a value is missing")
    if part == "paper":
        if not paper:
            raise _RangeError("no paper has values for this")
        return len(paper), (Fraction(value) for value in paper)
    ends, at, count = part.partition("@")
    pieces = [piece.strip() for piece in ends.split("..")]
    if len(pieces) > (2 if at else 3) or (at and len(pieces) == 1):
        raise _RangeError(
            f"{shortened(part)!r} is not low..high, low..high..step or low..high@count"
        )
    low, high = (_number(piece) for piece in (pieces * 2 if len(pieces) == 1 else pieces)[:2])
    check(low)
    check(high)
    if low > high:
        raise _RangeError(f"{shortened(part)!r} runs downwards: write the smaller end first")
    if at:
        return _geometric(low, high, count.strip())
    if len(pieces) == 3:
        return _stepped(low, high, _step(pieces[2], low, check))
    if low != high and (low.denominator != 1 or high.denominator != 1):
        raise _RangeError(f"{shortened(part)!r} needs a step, since its ends are not whole numbers")
    return _stepped(low, high, Fraction(1))


def _number(text: str) -> Fraction:
    """Read a decimal number that float can hold; the bounds keep the exact arithmetic small."""
    if not _NUMBER.fullmatch(text) or len(text) > _LONGEST_NUMBER:
        raise _RangeError(f"{shortened(text)!r} is not a number" if text else "a number is missing")
    rounded = float(text)
    if not math.isfinite(rounded):
        raise _RangeError(f"{text!r} is too large")
    return Fraction(text) if rounded else Fraction(0)


def _step(text: str, low: Fraction, check: _Check) -> Fraction:
    step = _number(text)
    if step <= 0:
        raise _RangeError(f"a step of {float(step):g} never arrives")
    check(low + step)  # for whole numbers the step is whole as well
    return step


def _stepped(low: Fraction, high: Fraction, step: Fraction) -> _Counted:
    count = (high - low) // step + 1
    return count, (low + index * step for index in range(count))


def _geometric(low: Fraction, high: Fraction, count_text: str) -> _Counted:
    if not re.fullmatch("0*[0-9]{1,30}", count_text):
        found = f"'@{shortened(count_text)}'"
        raise _RangeError(f"{found} is not @ and a number of values, at least 2, as in 3..30@10")
    if int(count_text) < 2:
        raise _RangeError(f"low..high@{count_text} has both ends: the number must be at least 2")
    if low <= 0:
        raise _RangeError("low..high@count is geometric and cannot start at 0")
    return int(count_text), _geometric_values(low, high, int(count_text))


def _geometric_values(low: Fraction, high: Fraction, count: int) -> Iterator[Fraction]:
    start, stop = math.log(low), math.log(high)
    yield low
    for index in range(1, count - 1):
        value = math.exp(start + (stop - start) * index / (count - 1))
        yield min(max(Fraction(f"{value:.6g}"), low), high)  # rounding may not leave the range
    yield high


def _refusal(option: str, text: str, reason: _RangeError | str, examples: str) -> UserError:
    return UserError(f"{option} {shortened(text)!r}: {reason}; use for example {examples}")
