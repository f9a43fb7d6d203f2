"""A table for people, the same in a terminal and in a report, and its data for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from analysis.words import number


@dataclass(frozen=True)
class GridRow:
    """One line."""

    cells: tuple[str, ...]
    strong: bool = False
    """The one to look at first."""
    faint: bool = False
    """Shown for completeness."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table, its cells written out."""

    name: str
    """Of the file that holds its data, without suffix."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    data: pd.DataFrame
    """The numbers behind it."""
    text: frozenset[str] = field(default=frozenset())
    """The columns that hold words and stand to the left."""
    note: str = ""
    """How to read it."""


def spread(median: float | None, low: float | None, high: float | None) -> str:
    """Write a median with the range it comes from, if there is one: `5 (4–6)`."""
    if number(low) == number(high):
        return number(median)
    return f"{number(median)} ({number(low)}–{number(high)})"
