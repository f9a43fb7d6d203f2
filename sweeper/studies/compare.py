"""The paper's Figure 3: what different τ leave of the same images (section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.options import option
from sweeper.studies.base import OpenDataset, Plan, Study
from sweeper.studies.pareto import DATASET_HELP, OBJECTIVE_HELP, SEEDS_HELP, sweep
from sweeper.studies.ranges import check_product, parse_floats, parse_seeds
from sweeper.studies.setup import TrainingOptions, resolve
from trainer import data

WIDTH_HELP = "Initial latent dimensions. Default: the data set's."


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What `compare` is asked."""

    taus: str = option(
        help="Tolerated errors, as 25,35; or paper: the paper's. Those that are in the folder "
        "stand beside them."
    )
    dataset: str = option("digits", help=DATASET_HELP)
    width: int | None = option(None, help=WIDTH_HELP)
    seeds: str = option("1", help=SEEDS_HELP)
    objective: str = option("geco-l0-arm", panel="Training", help=OBJECTIVE_HELP)


def plan(options: CompareOptions, training: TrainingOptions, open_dataset: OpenDataset) -> Plan:
    """Plan one trial for every combination of τ and seed."""
    row = data.DATASETS.find(options.dataset)
    taus = parse_floats(options.taus, paper=row.paper_taus)
    seeds = parse_seeds(options.seeds)
    check_product(taus=len(taus), seeds=len(seeds))
    setup = resolve(options.dataset, training, open_dataset, objective=options.objective)
    width = row.width if options.width is None else options.width
    return sweep("compare", setup, taus, (width,), seeds)


COMPARE = Study(
    name="compare",
    summary="show what different τ leave of the same images (Figure 3)",
    help="Put reconstructions of the same held-out images at several tolerances side by side.\n\n"
    "Running the same command again trains nothing twice; more τ or seeds add to what is there.",
    options=CompareOptions,
    plan=plan,
)
