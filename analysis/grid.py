"""A table for people, the same in a terminal and in a report, with its data for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.format import aligned
from analysis.seeds import Spread


@dataclass(frozen=True)
class GridRow:
    """One line."""

    cells: tuple[str, ...]
    strong: bool = False
    """Whether to look at it first."""
    faint: bool = False
    """Whether it is shown for completeness only."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table whose cells are text."""

    name: str
    """The name of the file that holds its data, without suffix."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    data: pd.DataFrame
    """The numbers behind it."""
    text: frozenset[str] = field(default=frozenset())
    """The columns that hold words and are aligned to the left."""
    note: str = ""
    """How to read it."""


def spread(value: Spread, write: Callable[[Any], str] | None = None) -> str:
    """Write a median with the range it comes from, if there is one: `5 (4–6)`."""
    write = write or aligned([value.median, value.low, value.high])
    median, low, high = write(value.median), write(value.low), write(value.high)
    return median if low == high else f"{median} ({low}–{high})"


def column(values: Sequence[Spread | None]) -> list[str]:
    """Write a column with its decimal points in line; blank where nothing was measured."""
    present = [value for value in values if value is not None]
    write = aligned([part for value in present for part in (value.median, value.low, value.high)])
    return ["" if value is None else spread(value, write) for value in values]
