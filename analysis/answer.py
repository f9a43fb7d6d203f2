"""The study's answer in one sentence, and why it is that."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.findings import ADVICE
from analysis.front import FrontPoint
from analysis.study import Study
from trainer.spec import Status


@dataclass(frozen=True)
class Answer:
    """What a report and a terminal say first."""

    headline: str
    """One sentence."""
    reason: str
    """How the point was found, or what to try."""
    point: FrontPoint | None
    """The one point to start from; None where the reader must choose, or nothing is feasible."""


def compute_answer(study: Study) -> Answer:
    """Say how many dimensions suffice, as far as the study knows."""
    front, knee = study.front.front, study.front.knee
    if not front:
        return _no_front(study)
    if knee is None and len(front) == 1:
        knee = front[0]
    if knee is not None:
        return Answer(f"On {study.dataset}, {_suffices(knee)}.", study.front.how, knee)
    many, few = front[0], front[-1]
    headline = (
        f"On {study.dataset}, the front runs from {_gates(many)} dimensions at a squared error of "
        f"{many.error:.3g} per image to {_gates(few)} at {few.error:.3g}."
    )
    return Answer(headline, study.front.how, None)


def _suffices(point: FrontPoint) -> str:
    verb = "suffices" if point.open_gates == 1 else "suffice"
    return (
        f"{_gates(point)} dimensions {verb} for a squared error of {point.error:.3g} per "
        f"held-out image (τ = {point.tau:g})"
    )


def _gates(point: FrontPoint) -> str:
    return f"{point.open_gates} of {point.width}"


def _no_front(study: Study) -> Answer:
    counts = study.trials["status"].value_counts()
    if counts.empty:
        headline = f"No trial on {study.dataset} has finished yet."
        return Answer(headline, "Run the same command again: it continues where it stopped.", None)
    found = ", ".join(f"{count} {status}" for status, count in counts.items())
    if set(counts.index) == {Status.FEASIBLE}:
        advice = "The feasible ones have no finite held-out error: check the held-out images."
    else:
        worst = next(status for status in counts.index if status != Status.FEASIBLE)
        advice = ADVICE[Status(worst)]
    headline = f"No trial on {study.dataset} is feasible yet, so there is no front."
    return Answer(headline, f"Of {len(study.trials)} trials: {found}. {advice}", None)
