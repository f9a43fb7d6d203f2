"""The paper's Figure 1: error, gates, λ' and hit rate in the course of a trial (section 4.1)."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeper import options as opt
from sweeper.cli.ranges import parse_seeds
from sweeper.cli.run import execute, progress_console, study_command
from sweeper.studies import pareto
from sweeper.studies.base import Study
from sweeper.studies.setup import prepare
from trainer import data

NAME = "trajectory"
PAPER_STEPS = 50_000


@study_command
def command(
    training: opt.TrainingOptions,
    running: opt.RunningOptions,
    tau: Annotated[float, typer.Option(help="The tolerated error.")],
    dataset: opt.DatasetOption = "digits",
    width: opt.WidthOption = None,
    seeds: opt.SeedsOption = "1",
    objective: opt.ObjectiveOption = "geco-l0-arm",
) -> None:
    """Follow the course of training at one tolerance τ: error, gates, multiplier and hit rate.

    Running the same command again trains nothing twice; more seeds show the spread between them,
    and other τ or widths stand beside what is there.
    """
    console = progress_console()
    setting = prepare(
        dataset,
        training,
        running.data_dir,
        console,
        objective=objective,
        paper_steps=PAPER_STEPS,
    )
    widths = (data.DATASETS.find(dataset).width if width is None else width,)
    planned = pareto.plan(NAME, setting, (tau,), widths, parse_seeds(seeds))
    execute(planned, running, console, folder=f"{NAME}-{dataset}")


TRAJECTORY = Study(NAME, "follow error, gates and λ′ through one training (Figure 1)", command)
