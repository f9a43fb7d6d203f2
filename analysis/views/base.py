"""What a report asks of a kind of study: its answer, its tables, its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.answer import Answer
from analysis.findings import Finding
from analysis.grid import Grid
from analysis.paper import Quantity
from analysis.study import Study


@dataclass(frozen=True, kw_only=True)
class View:
    """A row of the registry: how a study is told, named as in `sweeper.studies`."""

    study: str
    answer: Callable[[Study], Answer]
    """Of a study with at least one finished trial."""
    summary: Callable[[Study], Grid]
    """The table that a terminal shows."""
    grids: tuple[Callable[[Study], Grid], ...]
    """The tables of the report, those that have a row."""
    lead: tuple[str, ...]
    """The figures, by their names in `FIGURES`, that stand before the tables."""
    figures: tuple[str, ...] = ()
    """Those that stand after them."""
    facts: Callable[[Study], dict[str, Any]]
    """The answer for programs, as JSON has it."""
    quantities: Callable[[Study], list[Quantity]]
    """What the paper reports of this, with what was found here."""
    checks: tuple[Callable[[Study], Finding | None], ...] = ()
    """What else is to be warned of."""
