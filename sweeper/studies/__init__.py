"""The studies that can be run: one file each, one row each."""

from __future__ import annotations

from sweeper.studies.pareto import PARETO
from sweeper.study import Study, StudyPlan

STUDIES: dict[str, Study] = {row.name: row for row in (PARETO,)}

__all__ = ["STUDIES", "Study", "StudyPlan"]
