"""The course of training at one τ and width, over all seeds (the paper's Figure 1)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.statistics import upper_median
from analysis.study import Study

MEASURES = ("sse", "constraint_ma", "hit_rate", "gate_l1", "open_gates", "lambda", "kl")


@dataclass(frozen=True)
class Course:
    """What the trials of one τ and width went through, which differ in their seed only."""

    dataset: str
    tau: float
    width: int
    seeds: int
    statuses: tuple[str, ...]
    median: pd.DataFrame
    """Indexed by step, the columns of `MEASURES`; with one seed, that seed's own."""
    low: pd.DataFrame
    """The least over seeds, likewise."""
    high: pd.DataFrame

    def at(self, step: float) -> int | None:
        """Give the last step up to this one that was sampled; None if training ended before."""
        steps = self.median.index
        before = steps[steps <= step]
        return int(before[-1]) if len(before) and steps[-1] >= step else None


def compute_courses(study: Study) -> list[Course]:
    """Join the curves of each τ and width, step by step; trials without a curve are left out."""
    courses = []
    for (tau, width), trials in study.trials.groupby(["tau", "width"]):
        curves = [study.ledger.curve(trial_id).to_pandas() for trial_id in trials["trial_id"]]
        curves = [curve for curve in curves if not curve.empty]
        if not curves:
            continue
        steps = pd.concat(curves).groupby("step")[list(MEASURES)]
        courses.append(
            Course(
                dataset=study.dataset,
                tau=tau,
                width=width,
                seeds=len(curves),
                statuses=tuple(trials["status"]),
                median=steps.agg(upper_median),
                low=steps.min(),
                high=steps.max(),
            )
        )
    return courses
