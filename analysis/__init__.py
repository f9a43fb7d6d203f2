"""From a ledger to tables, fronts, figures and reports. Needs neither torch nor Ray."""

from analysis.answer import Answer
from analysis.computed.compression import Pair, compute_pairs
from analysis.computed.front import FrontData, FrontPoint, compute_front
from analysis.report import write_report
from analysis.study_data import StudyData
from analysis.study_report import StudyReport
from analysis.trials import read_trials
from analysis.views import compute_report
from analysis.warnings import StudyWarning, compute_warnings

__all__ = [
    "Answer",
    "FrontData",
    "FrontPoint",
    "Pair",
    "StudyData",
    "StudyReport",
    "StudyWarning",
    "compute_front",
    "compute_pairs",
    "compute_report",
    "compute_warnings",
    "read_trials",
    "write_report",
]
