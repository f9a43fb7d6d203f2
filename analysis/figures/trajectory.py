"""The paper's Figure 1 over all seeds of an experiment."""

from __future__ import annotations

from collections.abc import Iterable

from analysis import axes
from analysis.computed.trajectory import Trajectory
from analysis.figures.curves import CurvesData, describe, prepare


def trajectory_figures(trajectories: Iterable[Trajectory]) -> dict[str, CurvesData]:
    """Compute one figure per trajectory."""
    return {
        f"trajectory-{axes.stem(vars(trajectory))}": compute_trajectory_figure(trajectory)
        for trajectory in trajectories
    }


def compute_trajectory_figure(trajectory: Trajectory) -> CurvesData:
    """Prepare the median over seeds, and their range where there are several."""
    median, low, high = (
        prepare(table.reset_index())
        for table in (trajectory.median, trajectory.low, trajectory.high)
    )
    several = trajectory.seeds > 1
    seeds = f"median and range of {trajectory.seeds} seeds" if several else "1 seed"
    return CurvesData(
        tau=trajectory.tau,
        width=trajectory.width,
        curve=median,
        title=f"τ = {trajectory.tau:g}, from {trajectory.width} dimensions ({seeds})",
        alt=describe(median),
        band=(low, high) if several else None,
    )
