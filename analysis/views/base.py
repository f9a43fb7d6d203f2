"""What a report asks of a kind of study: its answer, its tables, its figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.answer import Answer
from analysis.grid import Grid
from analysis.paper import Quantity
from analysis.study_data import Study
from analysis.warnings import Finding


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
    record: Callable[[Study], Mapping[str, Any]]
    """What a program may want to know of a study, finished or not."""
    quantities: Callable[[Study], list[Quantity]]
    """What the paper reports of this, with what was found here."""
    checks: tuple[Callable[[Study], Finding | None], ...] = ()
    """What else is to be warned of."""

    def facts(self, study: Study) -> dict[str, Any]:
        """Give the `record` as JSON has it: null for what is not a finite number."""
        return {name: _plain(value) for name, value in self.record(study).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
