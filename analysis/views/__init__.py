"""How each kind of study is told: one file each, one row each."""

from __future__ import annotations

from analysis.answer import Answer
from analysis.study_data import Study
from analysis.views.base import View
from analysis.views.compare import COMPARE
from analysis.views.compression import COMPRESSION
from analysis.views.pareto import PARETO
from analysis.views.trajectory import TRAJECTORY
from trainer.errors import unknown_name

VIEWS: dict[str, View] = {row.study: row for row in (PARETO, TRAJECTORY, COMPARE, COMPRESSION)}


def view_of(study: Study) -> View:
    """Look up how a study is told.

    Raises:
        UserError: if its folder was written by a version that knows more studies.
    """
    if study.name not in VIEWS:
        raise unknown_name("study", study.name, VIEWS)
    return VIEWS[study.name]


def compute_answer(study: Study) -> Answer:
    """Say in a sentence what a study found, as far as it is.

    Raises:
        UserError: as `view_of`.
    """
    if study.trials.empty:
        headline = f"No trial on {study.dataset} has finished yet."
        return Answer(headline, "Run the same command again: it continues where it stopped.")
    return view_of(study).answer(study)


__all__ = ["VIEWS", "View", "compute_answer", "view_of"]
