"""The paper's Figure 1: error, gates, λ′ and hit rate in the course of a trial (section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.options import option
from sweeper.studies.base import OpenDataset, Plan, Study
from sweeper.studies.compare import WIDTH_HELP
from sweeper.studies.pareto import DATASET_HELP, OBJECTIVE_HELP, SEEDS_HELP, sweep
from sweeper.studies.ranges import parse_seeds
from sweeper.studies.setup import TrainingOptions, resolve
from trainer import data

PAPER_STEPS = 50_000


@dataclass(frozen=True, kw_only=True)
class TrajectoryOptions:
    """What `trajectory` is asked."""

    tau: float = option(help="The tolerated error.")
    dataset: str = option("digits", help=DATASET_HELP)
    width: int | None = option(None, help=WIDTH_HELP)
    seeds: str = option("1", help=SEEDS_HELP)
    objective: str = option("geco-l0-arm", panel="Training", help=OBJECTIVE_HELP)


def plan(options: TrajectoryOptions, training: TrainingOptions, open_dataset: OpenDataset) -> Plan:
    """Plan one trial for every seed."""
    seeds = parse_seeds(options.seeds)
    setup = resolve(
        options.dataset,
        training,
        open_dataset,
        objective=options.objective,
        paper_steps=PAPER_STEPS,
    )
    width = data.DATASETS.find(options.dataset).width if options.width is None else options.width
    return sweep("trajectory", setup, (options.tau,), (width,), seeds)


TRAJECTORY = Study(
    name="trajectory",
    summary="follow error, gates and λ′ through one training (Figure 1)",
    help="Follow the course of training at one tolerance τ: error, gates, multiplier and hit "
    "rate.\n\n"
    "Running the same command again trains nothing twice; more seeds show the spread between them, "
    "and other τ or widths stand beside what is there.",
    options=TrajectoryOptions,
    plan=plan,
)
