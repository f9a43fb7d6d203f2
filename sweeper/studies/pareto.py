"""The paper's Figure 2: how many dimensions are left, over a range of τ (section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Annotated

import typer

from sweeper import options as opt
from sweeper.cli.ranges import parse_floats, parse_ints, parse_seeds
from sweeper.cli.run import execute, progress_console, study_command
from sweeper.studies.base import Study, StudyPlan, longest_first
from sweeper.studies.setup import Setting, prepare
from trainer import data

NAME = "pareto"


def plan(
    study: str,
    setting: Setting,
    taus: Sequence[float],
    widths: Sequence[int],
    seeds: Sequence[int],
) -> StudyPlan:
    """Plan one trial for every combination of τ, initial width and seed."""
    specs = [
        setting.spec(tau=tau, width=width, seed=seed)
        for tau, width, seed in product(taus, widths, seeds)
    ]
    return StudyPlan(
        study=study,
        datasets=(setting.dataset,),
        specs=longest_first(specs),
        budget=setting.budget,
        request={"taus": taus, "widths": widths, "seeds": seeds},
    )


@study_command
def command(
    training: opt.TrainingOptions,
    running: opt.RunningOptions,
    dataset: opt.DatasetOption = "digits",
    taus: Annotated[
        str | None,
        typer.Option(
            help="Tolerated errors: 3..30, 0.5..3.5..0.5, 3..30@10, 3,4,6.5 or paper. "
            "Default: the data set's."
        ),
    ] = None,
    widths: Annotated[
        str | None,
        typer.Option(help="Initial latent dimensions, as 16,32. Default: the data set's."),
    ] = None,
    seeds: opt.SeedsOption = "1",
    objective: opt.ObjectiveOption = "geco-l0-arm",
) -> None:
    """Sweep the tolerance τ and find the front of error against open latent dimensions.

    Each trial holds its squared error (summed over an image's pixels in [0, 1]) at τ and closes
    latent dimensions as long as it can. Running the same command again trains nothing twice;
    more τ, widths or seeds add to what is there.
    """
    row = data.DATASETS.find(dataset)
    tau_values = parse_floats(row.default_taus if taus is None else taus, paper=row.paper_taus)
    width_values = (row.width,) if widths is None else parse_ints(widths)
    seed_values = parse_seeds(seeds)
    console = progress_console()
    setting = prepare(dataset, training, running.data_dir, console, objective=objective)
    planned = plan(NAME, setting, tau_values, width_values, seed_values)
    execute(planned, running, console, folder=f"{NAME}-{dataset}")


PARETO = Study(NAME, "sweep τ, find the front of error against dimensions (Figure 2)", command)
