"""The paper's Figure 3: what different τ leave of the same images (section 4.3)."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper import options as opt
from sweeper.cli.ranges import parse_floats, parse_seeds
from sweeper.cli.run import execute, progress_console, study_command
from sweeper.studies import pareto
from sweeper.studies.base import Study
from sweeper.studies.setup import prepare
from trainer import data

NAME = "compare"


@study_command
def command(
    training: opt.TrainingOptions,
    running: opt.RunningOptions,
    taus: Annotated[
        str,
        typer.Option(
            help="Tolerated errors, as 25,35; or paper: the paper's. Those that are in the folder "
            "stand beside them."
        ),
    ],
    dataset: opt.DatasetOption = "digits",
    width: opt.WidthOption = None,
    seeds: opt.SeedsOption = "1",
    objective: opt.ObjectiveOption = "geco-l0-arm",
) -> None:
    """Put reconstructions of the same held-out images at several tolerances side by side.

    Running the same command again trains nothing twice; more τ or seeds add to what is there.
    """
    row = data.DATASETS.find(dataset)
    tau_values = parse_floats(taus, paper=row.paper_taus)
    console = progress_console()
    setting = prepare(dataset, training, running.data_dir, console, objective=objective)
    widths = (row.width if width is None else width,)
    planned = pareto.plan(NAME, setting, tau_values, widths, parse_seeds(seeds))
    execute(planned, running, console, folder=f"{NAME}-{dataset}")


COMPARE = Study(NAME, "show what different τ leave of the same images (Figure 3)", command)
