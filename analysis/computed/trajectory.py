"""The course of training at one τ and width, over all seeds (the paper's Figure 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.seeds import Spread
from analysis.study_data import Study

MEASURES = ("sse", "error", "hit_rate", "gate_l1", "open_gates", "lambda", "kl")
"""Columns of the ledger's curves, and `error`, the moving average of sse."""


@dataclass(frozen=True)
class Course:
    """What the trials of one τ and width went through, which differ in their seed only."""

    tau: float
    width: int
    median: pd.DataFrame
    """Indexed by step, the columns of `MEASURES`; with one seed, that seed's own."""
    low: pd.DataFrame
    """The least over seeds, likewise."""
    high: pd.DataFrame
    count: pd.Series
    """The seeds that got to each step."""

    @property
    def seeds(self) -> int:
        """How many trials have a course."""
        return int(self.count.max())

    def sampled(self, step: float) -> int | None:
        """Give the last step up to this one that was sampled; None if training ended before."""
        steps = self.median.index
        before = steps[steps <= step]
        return int(before[-1]) if len(before) and steps[-1] >= step else None

    def at(self, step: int, measure: str) -> Spread:
        """Give a quantity at a step that was sampled."""
        median, low, high = (
            float(table.loc[step, measure]) for table in (self.median, self.low, self.high)
        )
        return Spread(median, low, high, int(self.count[step]))


def compute_courses(study: Study) -> list[Course]:
    """Join the curves of each τ and width, step by step; trials without a curve are left out."""
    courses = []
    all_curves = study.ledger.curves_of(study.trials["trial_id"])
    for (tau, width), trials in study.trials.groupby(["tau", "width"]):
        found = [all_curves[name] for name in trials["trial_id"] if name in all_curves]
        curves = pd.concat([_finite(curve.to_pandas(), tau) for curve in found] or [pd.DataFrame()])
        if curves.empty:
            continue
        steps = curves.groupby("step")[list(MEASURES)]
        courses.append(
            Course(
                tau=tau,
                width=width,
                median=steps.quantile(0.5, interpolation="higher"),  # as `upper_median`
                low=steps.min(),
                high=steps.max(),
                count=steps.size(),
            )
        )
    return courses


def _finite(curve: pd.DataFrame, tau: float) -> pd.DataFrame:
    curve["error"] = curve["constraint_ma"] + tau
    # The last sample of a trial that diverged holds no numbers, and its gates none that count.
    return curve[np.isfinite(curve["error"])]
