"""A study's answer in one sentence, and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.computed.front import FrontPoint
from analysis.study_data import StudyData


@dataclass(frozen=True)
class Answer:
    """What a report and a terminal say first."""

    headline: str
    """One sentence."""
    reason: str
    """How it was found, or what to try."""
    point: FrontPoint | None = None
    """The one point to start from; None where the reader must choose, or there is none."""


def answer_without_trials(study: StudyData) -> Answer | None:
    """Return the answer of a study in which no trial has finished; None if one has."""
    if not study.trials.empty:
        return None
    headline = f"No trial on {study.dataset} has finished yet."
    return Answer(headline, "Run the same command again: it continues where it stopped.")
