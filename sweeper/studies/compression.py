"""The paper's Table 1 (section 4.4): of 2n dimensions, how many are left where n would do.

Two steps. A baseline of n dimensions, without gates and with τ = 0, finds the error that n
dimensions can reach. Then a trial that starts from 2n has to hold that error, and its open gates
are read when it has trained for 1, 1.5 and 2 times the baseline's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sweeper import options as opt
from sweeper.cli.ranges import parse_ints, parse_seeds
from sweeper.cli.run import execute, progress_console, study_command
from sweeper.studies.base import Sequel, Study, StudyPlan, longest_first
from sweeper.studies.setup import Setting, prepare
from trainer.data import DATASETS
from trainer.errors import UserError
from trainer.spec import TrialSpec

NAME = "compression"
BASELINE, GATED = "geco", "geco-l0-arm"
WIDER = 2
"""The gated trial's initial width, and its steps, in those of its baseline."""
PAPER_SIZES = (5, 10, 30)
PAPER_STEPS = 200_000


def plan(settings: Sequence[Setting], sizes: Sequence[int], seeds: Sequence[int]) -> StudyPlan:
    """Plan a baseline and its gated sequel for every data set, size and seed.

    Args:
        settings: of the baselines, one for each data set.
        sizes: the paper's n.
        seeds: of both.
    """
    baselines = longest_first(
        [
            setting.spec(tau=0, width=size, seed=seed)
            for setting in settings
            for size in sizes
            for seed in seeds
        ]
    )
    return StudyPlan(
        study=NAME,
        datasets=tuple(setting.dataset for setting in settings),
        specs=baselines,
        sequels=tuple(_gated(baseline) for baseline in baselines),
        budget=settings[0].budget,
        request={"sizes": sizes, "seeds": seeds},
        adds_datasets=True,
    )


def _gated(baseline: TrialSpec) -> Sequel:
    return Sequel(
        baseline, objective=GATED, width=WIDER * baseline.width, steps=WIDER * baseline.steps
    )


@study_command
def command(
    training: opt.TrainingOptions,
    running: opt.RunningOptions,
    datasets: Annotated[str, typer.Option(help="One or more, as digits,mnist.")] = "digits",
    sizes: Annotated[
        str, typer.Option(help="Dimensions n of the baselines, as 3,6; or paper: 5,10,30.")
    ] = "paper",
    seeds: opt.SeedsOption = "1",
) -> None:
    """Find out how close to n dimensions the gates come that start with 2n.

    A baseline of n dimensions finds the error that they can reach; then a gated trial of 2n has to
    hold that error. `--steps` and `--budget` are the baseline's; the gated trial takes twice as
    many and is read on its way. Running the same command again trains nothing twice; more data
    sets, sizes or seeds add to what is there.
    """
    size_values = parse_ints(sizes, option="--sizes", paper=PAPER_SIZES)
    seed_values = parse_seeds(seeds)
    console = progress_console()
    names = _split(datasets)
    settings = [
        prepare(
            name,
            training,
            running.data_dir,
            console,
            objective=BASELINE,
            paper_steps=PAPER_STEPS,
        )
        for name in names
    ]
    planned = plan(settings, size_values, seed_values)
    execute(planned, running, console, folder=NAME)


def _split(text: str) -> list[str]:
    """Read the names of data sets; all of them, before the first is downloaded."""
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise UserError(f"--datasets must be different names such as digits,mnist, found {text!r}")
    for name in names:
        DATASETS.find(name)
    return names


COMPRESSION = Study(NAME, "see how close to n the gates come from 2n (Table 1)", command)
