"""The Pareto front: how few dimensions suffice for how much error."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis import axes
from analysis.seeds import Spread, upper_median
from trainer.verdict import Status

STRAIGHT_DISTANCE = 0.05
"""A front whose points all lie within this distance of a straight line (unit square) has no knee.

One gate more or less on a front of a dozen moves a point by about as much.
"""


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """The feasible trials of one experiment, which differ in their seed only."""

    tau: float
    width: int
    open_gates: int
    """Median over the seeds, the upper of the middle two: a count that occurred."""
    open_gates_min: int
    open_gates_max: int
    error: float
    """Held-out sse with sampled latents, median (upper) over the seeds."""
    error_min: float
    error_max: float
    test_sse_mean: float
    """Held-out sse with mean latents, median (upper) over the seeds."""
    seeds: int
    """How many trials are feasible: the medians are over these."""
    trials: int
    """How many trials there are, feasible or not."""
    trial_id: str
    """The trial closest to the medians (gates first), of those whose model is not lost."""
    on_front: bool

    @property
    def gates_over_seeds(self) -> Spread:
        """The open gates with their range."""
        return Spread(self.open_gates, self.open_gates_min, self.open_gates_max, self.seeds)

    @property
    def error_over_seeds(self) -> Spread:
        """The error with its range."""
        return Spread(self.error, self.error_min, self.error_max, self.seeds)


@dataclass(frozen=True)
class FrontData:
    """The points of a study, which of them are on the front, and the one to start from."""

    points: pd.DataFrame
    """One row per `FrontPoint`, sorted by the axes."""
    knee: FrontPoint | None
    reason: str
    """How the knee was found, or why there is none and how to choose; whole sentences."""
    recommended: FrontPoint | None
    """The point to start from: the knee or the only point there is or, where its model is lost,
    the next best point that has one."""

    @property
    def front(self) -> list[FrontPoint]:
        """The points on the front, from many gates (little error) to few."""
        rows = self.points[self.points["on_front"]]
        return _points(rows.sort_values(**_order("open_gates", "error", falling="open_gates")))

    @property
    def beaten(self) -> frozenset[axes.Key]:
        """The points that are not on the front, by their values on the axes."""
        return frozenset(axes.keys(self.points[~self.points["on_front"]]))


def compute_front(trials: pd.DataFrame, without_model: Collection[str] = ()) -> FrontData:
    """Find the front of a table of trials (`read_trials`).

    Only feasible trials with a finite held-out error take part. Trials that differ in their seed
    only are repetitions of one experiment, not alternatives: to pick the luckiest of them would
    promise an error that a new run does not reach. So each experiment (`analysis.axes`) is one
    point, at the medians of its feasible trials, and the front is the front of these points.
    With one seed that is the front of the trials.

    A point is on the front if no other is as good in both error and open gates and better in one.
    Points that are equal in both do not beat each other: either all of them are on the front or
    none is. The result does not depend on the order of the rows.

    Args:
        trials: the trials.
        without_model: the ids of those whose model is damaged or lost. Their numbers count, but
            they stand for a point only if all its trials are so, and are never recommended.
    """
    points = _group(trials, without_model)
    points["on_front"] = on_front(points)
    front = points[points["on_front"]]
    ranked, reason = _rank(front)
    knee = _points(ranked.head(1))
    choice = front if len(front) == 1 else ranked
    usable = _points(choice[~choice["trial_id"].isin(list(without_model))].head(1))
    return FrontData(points, knee[0] if knee else None, reason, usable[0] if usable else None)


def counts_for_front(trials: pd.DataFrame) -> pd.Series:
    """Mark the trials that count for a front: feasible, with a finite held-out error."""
    return (trials["status"] == Status.FEASIBLE) & np.isfinite(trials["test_sse_sampled"])


def on_front(points: pd.DataFrame) -> pd.Series:
    """Mark the rows that no other row beats in both `error` and `open_gates`."""
    best = points.groupby("open_gates")["error"].min()  # sorted by open_gates
    best_with_fewer = best.cummin().shift(fill_value=np.inf)
    error, gates = points["error"], points["open_gates"]
    return (error == gates.map(best)) & (error < gates.map(best_with_fewer))


def _group(trials: pd.DataFrame, without_model: Collection[str]) -> pd.DataFrame:
    feasible = trials[counts_for_front(trials)]
    points = (
        feasible.groupby(axes.COLUMNS)
        .agg(
            open_gates=("open_gates", upper_median),
            open_gates_min=("open_gates", "min"),
            open_gates_max=("open_gates", "max"),
            error=("test_sse_sampled", upper_median),
            error_min=("test_sse_sampled", "min"),
            error_max=("test_sse_sampled", "max"),
            test_sse_mean=("test_sse_mean", upper_median),
            seeds=("trial_id", "size"),
        )
        .astype(dict.fromkeys(("open_gates", "open_gates_min", "open_gates_max"), "int64"))
        .join(trials.groupby(axes.COLUMNS).size().rename("trials"))
        .reset_index()
    )
    return points.merge(_representatives(feasible, points, without_model), on=axes.COLUMNS)


def _representatives(
    feasible: pd.DataFrame, points: pd.DataFrame, without_model: Collection[str]
) -> pd.DataFrame:
    """Return for each point the id of the trial closest to its medians, of those with a model."""
    near = feasible.merge(points, on=axes.COLUMNS, suffixes=("_trial", ""))
    near["gates_off"] = (near["open_gates_trial"] - near["open_gates"]).abs()
    near["error_off"] = (near["test_sse_sampled"] - near["error"]).abs()
    near["lost"] = near["trial_id"].isin(list(without_model))
    order = ["lost", "gates_off", "error_off", "seed", "trial_id"]
    near = near.sort_values([*axes.COLUMNS, *order])
    return near.drop_duplicates(axes.COLUMNS)[[*axes.COLUMNS, "trial_id"]]


def _rank(front: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Order a front's points by how far they lie below the straight line between its two ends.

    Returns:
        Those that lie clearly below it, the knee first, and how it was found; or none, and why.
    """
    none = front.head(0)
    choose = "Choose the point with the fewest open gates whose error you accept."
    ends = front.drop_duplicates(["error", "open_gates"])
    if ends.empty:
        return none, "There is no front, because no trial is feasible."
    if len(ends) == 1:
        return none, "The front is a single point, so there is no knee to look for."
    if len(ends) == 2:
        return none, f"A front of two points has no knee. {choose}"
    # Scaled to [0, 1], the ends are (0, 1) and (1, 0), and the line between them is x + y = 1.
    below = (1 - _unit(front["error"]) - _unit(front["open_gates"])) / np.sqrt(2)
    if below.max() < STRAIGHT_DISTANCE:
        return none, f"The front is close to a straight line or bulges, so it has no knee. {choose}"
    ranked = front.assign(below=below).sort_values(**_order("below", "open_gates", falling="below"))
    return ranked[ranked["below"] >= STRAIGHT_DISTANCE].drop(columns="below"), (
        "This is the knee of the front: with error and open gates both scaled to 0…1, the point "
        "furthest below the straight line between the front's two ends. Before it, a little more "
        "error saves many dimensions; after it, each dimension saved costs much."
    )


def _order(*columns: str, falling: str) -> dict[str, list[Any]]:
    """Return how to sort by these columns and then by the axes, one of them from high to low."""
    by = [*columns, *axes.COLUMNS]
    return {"by": by, "ascending": [column != falling for column in by]}


def _unit(values: pd.Series) -> pd.Series:
    return (values - values.min()) / (values.max() - values.min())


def _points(rows: pd.DataFrame) -> list[FrontPoint]:
    return [FrontPoint(**row) for row in rows.to_dict("records")]
