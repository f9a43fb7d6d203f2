"""The paper's Figure 2: how many dimensions are left, over a range of τ (section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from sweeper.ledger.manifest import settings_of
from sweeper.options import option
from sweeper.studies.base import OpenDataset, Plan, Study, constant
from sweeper.studies.ranges import check_product, parse_floats, parse_ints, parse_seeds
from sweeper.studies.setup import TrainingOptions, TrainingSetup, resolve
from trainer import data

DATASET_HELP = "See `sweeper data list`."
SEEDS_HELP = "How many seeds, or which: 3 or 0,7,9."
OBJECTIVE_HELP = "What is optimised: geco-l0-arm, or geco for a fixed width."


@dataclass(frozen=True, kw_only=True)
class ParetoOptions:
    """What `pareto` is asked."""

    dataset: str = option("digits", help=DATASET_HELP)
    taus: str | None = option(
        None,
        help="Tolerated errors: 3..30, 0.5..3.5..0.5, 3..30@10, 3,4,6.5 or paper. Default: the "
        "data set's.",
    )
    widths: str | None = option(
        None, help="Initial latent dimensions, as 16,32. Default: the data set's."
    )
    seeds: str = option("1", help=SEEDS_HELP)
    objective: str = option("geco-l0-arm", panel="Training", help=OBJECTIVE_HELP)


def plan(options: ParetoOptions, training: TrainingOptions, open_dataset: OpenDataset) -> Plan:
    """Plan one trial for every combination of τ, initial width and seed."""
    row = data.DATASETS.find(options.dataset)
    taus = parse_floats(
        row.default_taus if options.taus is None else options.taus, paper=row.paper_taus
    )
    widths = (row.width,) if options.widths is None else parse_ints(options.widths)
    seeds = parse_seeds(options.seeds)
    check_product(taus=len(taus), widths=len(widths), seeds=len(seeds))
    setup = resolve(options.dataset, training, open_dataset, objective=options.objective)
    return sweep("pareto", setup, taus, widths, seeds)


def sweep(
    study: str,
    setup: TrainingSetup,
    taus: Sequence[float],
    widths: Sequence[int],
    seeds: Sequence[int],
) -> Plan:
    """Plan one trial for every combination, known from the start."""
    specs = [
        setup.spec(tau=tau, width=width, seed=seed)
        for tau, width, seed in product(taus, widths, seeds)
    ]
    return Plan(
        study=study,
        folder=f"{study}-{setup.dataset.name}",
        datasets=(setup.dataset,),
        settings={setup.dataset.name: settings_of(specs[0])},
        request={"taus": taus, "widths": widths, "seeds": seeds},
        budget=setup.budget,
        propose=constant(specs),
    )


PARETO = Study(
    name="pareto",
    summary="sweep τ, find the front of error against dimensions (Figure 2)",
    help="Sweep the tolerance τ and find the front of error against open latent dimensions.\n\n"
    "Each trial holds its squared error (summed over an image's pixels in [0, 1]) at τ and closes "
    "latent dimensions as long as it can. Running the same command again trains nothing twice; "
    "more τ, widths or seeds add to what is there.",
    options=ParetoOptions,
    plan=plan,
)
