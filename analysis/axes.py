"""What a study varies besides the seed: groups, labels, cells and file names come from here.

Trials that agree on all axes differ in their seed only: they are repetitions of one experiment.
A row is whatever has the axes' columns as keys: a trial, or the fields of a point computed here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

Row: TypeAlias = Mapping[Hashable, Any] | Mapping[str, Any]
Key: TypeAlias = tuple[Any, ...]
"""A row's values on the axes, in their order."""


@dataclass(frozen=True)
class Axis:
    """One thing that is varied."""

    column: str
    """Its column in the ledger's rows."""
    symbol: str
    """Its name in labels and headings."""


AXES = (Axis("tau", "τ"), Axis("width", "width"))

COLUMNS = [axis.column for axis in AXES]
HEADINGS = tuple(axis.symbol for axis in AXES)

ORDER = ["dataset", *COLUMNS, "seed", "trial_id"]
"""How trials are sorted. The id decides where all else is equal, so that a table never depends on
which trial finished first."""


def group(trials: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the trials of each experiment, sorted by the axes; its seeds in the order given."""
    return (rows for _, rows in trials.groupby(COLUMNS))


def key(row: Row) -> Key:
    """Return a row's values on the axes."""
    return tuple(row[column] for column in COLUMNS)


def keys(table: pd.DataFrame) -> list[Key]:
    """Return the values on the axes of each row of a table."""
    return list(table[COLUMNS].itertuples(index=False, name=None))


def label(row: Row) -> str:
    """Return how a person tells an experiment from its neighbours: `τ=1.5 width=16`."""
    return " ".join(f"{axis.symbol}={_short(row[axis.column])}" for axis in AXES)


def trial_label(row: Row) -> str:
    """Return how a person tells a trial from its neighbours: `τ=1.5 width=16 seed=0`."""
    return f"{label(row)} seed={row['seed']}"


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's values on the axes as a table shows them, under `HEADINGS`."""
    return tuple(f"{row[column]:g}" for column in COLUMNS)


def stem(row: Row) -> str:
    """Return a file name for an experiment: `tau1.5-width16`.

    It has all digits, so that no two experiments share a file.
    """
    return "-".join(f"{column}{str(row[column]).removesuffix('.0')}" for column in COLUMNS)


def trial_stem(row: Row) -> str:
    """Return a file name for a trial: `tau1.5-width16-seed0-0123abcd`.

    The id keeps apart what `:g` rounds to the same digits, and trials that differ otherwise.
    """
    words = "-".join(f"{column}{row[column]:g}" for column in COLUMNS)
    return f"{words}-seed{row['seed']}-{row['trial_id'][:8]}"


def _short(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
