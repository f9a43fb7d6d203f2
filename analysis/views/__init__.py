"""What each kind of study reports: one file each, one row each."""

from __future__ import annotations

from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.views.base import View
from analysis.views.compare import COMPARE
from analysis.views.compression import COMPRESSION
from analysis.views.pareto import PARETO
from analysis.views.trajectory import TRAJECTORY
from trainer.registry import Registry

VIEWS: Registry[View] = Registry(
    "study", {row.study: row for row in (PARETO, TRAJECTORY, COMPARE, COMPRESSION)}
)


def compute_report(study: StudyData) -> StudyReport:
    """Compute everything that is said about a study, however far it is.

    Raises:
        UserError: if its folder was written by a version that knows more studies.
    """
    return VIEWS.find(study.name).compute(study)


__all__ = ["VIEWS", "View", "compute_report"]
