"""A report reads and computes each thing once, however many places show it."""

import cProfile
import inspect
import pstats
import shutil
from collections import Counter
from pathlib import Path

import pytest

import analysis
from analysis import StudyData, compute_report, write_report
from analysis.views import VIEWS
from sweeper.ledger.ledger import Ledger

COUNTED = (Path(analysis.__file__).parent, Path(inspect.getfile(Ledger)))
READ = {"manifest", "rows", "curves_of"}
COMPUTED = {
    "pareto": {"compute_front", "compute_outcomes", "compute_reconstructions"},
    "trajectory": {"compute_trajectories", "compute_outcomes"},
    "compare": {"compute_outcomes", "compute_comparison"},
    "compression": {"compute_pairs", "summarise", "compute_compression_figure"},
}


def report_on(ledger):
    """Read a study, and write all that is said about it."""
    report = compute_report(StudyData.read(ledger))
    write_report(report)
    assert report.facts
    assert report.summary.rows


def calls(ledger):
    """How often each function of `analysis`, and each method of `Ledger`, was called."""
    profile = cProfile.Profile()
    profile.runcall(report_on, ledger)
    counts = Counter()
    for (path, _, name), (_, count, *_) in pstats.Stats(profile).stats.items():
        if any(Path(path).is_relative_to(place) for place in COUNTED):
            counts[name] += count
    return counts


def check(counts, kind):
    functions = {*READ, *COMPUTED[kind], "compute_report", "compute", "compute_warnings"}
    assert {name: counts[name] for name in functions} == dict.fromkeys(functions, 1)


@pytest.mark.parametrize("kind", VIEWS)
def test_each_study_is_read_and_computed_once(kind, study_of, trial, pair):
    records = pair(3) if kind == "compression" else [trial(1.0), trial(1.5)]
    counts = calls(study_of(records, study=kind))
    check(counts, kind)
    assert counts["sample"] <= len(records)


def test_a_trained_study_is_read_and_computed_once(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "study")
    check(calls(Ledger(copy)), "pareto")
