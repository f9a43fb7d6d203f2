"""Everything that is said about a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.answer import Answer
from analysis.figures import Plot
from analysis.grid import Grid
from analysis.paper import PaperComparison
from analysis.study_data import StudyData
from analysis.warnings import StudyWarning


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """A study's answer and all that stands behind it, computed once.

    The page, the terminal and `--json` only write it down, so they cannot disagree.
    """

    study: StudyData
    answer: Answer
    summary: Grid
    """The table that a terminal shows."""
    grids: tuple[Grid, ...]
    """The tables of the page, some perhaps without a row."""
    paper: PaperComparison | None
    """None if the paper reports nothing of this study's data sets."""
    warnings: tuple[StudyWarning, ...]
    facts: dict[str, Any]
    """What a program may want to know, as JSON has it: null for what is not a finite number."""
    plots: Callable[[], tuple[Plot, ...]]
    """Computes the figures' data, in the order of the page. Only who draws them needs to read the
    curves and images that no table is made of."""

    @property
    def tables(self) -> tuple[Grid, ...]:
        """The tables of the page, the comparison with the paper last."""
        return self.grids if self.paper is None else (*self.grids, self.paper.grid)
