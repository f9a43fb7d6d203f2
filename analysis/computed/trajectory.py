"""The trajectory of training in each experiment, over all seeds (the paper's Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis import axes
from analysis.seeds import Spread

MEASURES = ["sse", "error", "hit_rate", "gate_l1", "open_gates", "lambda", "kl"]
"""Columns of the ledger's curves, and `error`, the moving average of sse."""


@dataclass(frozen=True)
class Trajectory:
    """What the trials of one experiment measured in training; they differ in their seed only."""

    tau: float
    width: int
    median: pd.DataFrame
    """Indexed by step, the columns of `MEASURES`; with one seed, that seed's own."""
    low: pd.DataFrame
    """The lowest over seeds, likewise."""
    high: pd.DataFrame
    """The highest over seeds, likewise."""
    count: pd.Series
    """How many seeds reached each step."""

    @property
    def seeds(self) -> int:
        """How many trials have a curve."""
        return int(self.count.max())

    def last_sample(self, step: float) -> int | None:
        """Return the last sampled step up to `step`; None if training ended before `step`."""
        steps = self.median.index
        before = steps[steps <= step]
        return int(before[-1]) if len(before) and steps[-1] >= step else None

    def at(self, step: int, measure: str) -> Spread:
        """Return a measure at a sampled step."""
        median, low, high = (
            float(table.loc[step, measure]) for table in (self.median, self.low, self.high)
        )
        return Spread(median, low, high, int(self.count[step]))


def compute_trajectories(trials: pd.DataFrame, curves: Mapping[str, pa.Table]) -> list[Trajectory]:
    """Join the curves of each experiment, step by step.

    Args:
        trials: as `read_trials` returns them, all on one data set.
        curves: with `CURVE_SCHEMA`, by trial id; trials without a curve are left out.
    """
    found = (_trajectory(rows, curves) for rows in axes.group(trials))
    return [trajectory for trajectory in found if trajectory is not None]


def _trajectory(trials: pd.DataFrame, curves: Mapping[str, pa.Table]) -> Trajectory | None:
    tau = float(trials["tau"].iloc[0])
    found = [curves[trial_id] for trial_id in trials["trial_id"] if trial_id in curves]
    samples = pd.concat([_finite(curve.to_pandas(), tau) for curve in found] or [pd.DataFrame()])
    if samples.empty:
        return None
    steps = samples.groupby("step")[MEASURES]
    return Trajectory(
        tau=tau,
        width=int(trials["width"].iloc[0]),
        median=steps.quantile(0.5, interpolation="higher"),  # as `upper_median`
        low=steps.min(),
        high=steps.max(),
        count=steps.size(),
    )


def _finite(curve: pd.DataFrame, tau: float) -> pd.DataFrame:
    curve["error"] = curve["constraint_ma"] + tau
    # The last sample of a trial that diverged is NaN, and its count of gates means nothing.
    return curve[np.isfinite(curve["error"])]
