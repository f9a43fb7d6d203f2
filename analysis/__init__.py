"""From a ledger to tables, fronts, figures and reports. Needs neither torch nor Ray."""

from analysis.answer import Answer
from analysis.efficiency import Pair, compute_pairs
from analysis.findings import Finding, find
from analysis.front import FrontData, FrontPoint, compute_front
from analysis.report import write_report
from analysis.study import Study
from analysis.table import read_trials
from analysis.views import compute_answer

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
