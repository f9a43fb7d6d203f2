"""From a ledger to tables, fronts, figures and reports. Needs neither torch nor Ray."""

from analysis.answer import Answer, compute_answer
from analysis.findings import Finding, find
from analysis.front import FrontData, FrontPoint, compute_front
from analysis.report import write_report
from analysis.study import Study
from analysis.table import read_trials

__all__ = [
    "Answer",
    "Finding",
    "FrontData",
    "FrontPoint",
    "Study",
    "compute_answer",
    "compute_front",
    "find",
    "read_trials",
    "write_report",
]
