"""From a ledger to tables, fronts, figures and reports. Needs neither torch nor Ray."""

from analysis.answer import Answer
from analysis.computed.compression import Pair, compute_pairs
from analysis.computed.front import FrontData, FrontPoint, compute_front
from analysis.report import write_report
from analysis.study_data import Study
from analysis.trials import read_trials
from analysis.views import compute_answer
from analysis.warnings import Finding, find

__all__ = [
    "Answer",
    "Finding",
    "FrontData",
    "FrontPoint",
    "Pair",
    "Study",
    "compute_answer",
    "compute_front",
    "compute_pairs",
    "find",
    "read_trials",
    "write_report",
]
