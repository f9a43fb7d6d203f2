"""The paper's Table 1 (section 4.4): of 2n dimensions, how many are left where n would do.

Two steps. A baseline of n dimensions, without gates and with τ = 0, finds the error that n
dimensions can reach. Then a trial that starts from 2n has to hold that error, and its open gates
are read when it has trained for 1, 1.5 and 2 times the baseline's steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sweeper.ledger.manifest import settings_of
from sweeper.options import option
from sweeper.studies.base import (
    FutureTrial,
    OpenDataset,
    Plan,
    Proposal,
    Rows,
    Study,
    longest_first,
)
from sweeper.studies.pareto import SEEDS_HELP
from sweeper.studies.ranges import check_product, parse_ints, parse_seeds
from sweeper.studies.setup import TrainingOptions, TrainingSetup, resolve
from trainer import data
from trainer.errors import UserError
from trainer.spec import TrialSpec
from trainer.verdict import Status

BASELINE, GATED = "geco", "geco-l0-arm"
WIDER = 2
"""The gated trial's initial width, and its steps, in those of its baseline."""
PAPER_SIZES = (5, 10, 30)
PAPER_STEPS = 200_000


@dataclass(frozen=True, kw_only=True)
class CompressionOptions:
    """What `compression` is asked."""

    datasets: str = option("digits", help="One or more, as digits,mnist.")
    sizes: str = option("paper", help="Dimensions n of the baselines, as 3,6; or paper: 5,10,30.")
    seeds: str = option("1", help=SEEDS_HELP)


def plan(options: CompressionOptions, training: TrainingOptions, open_dataset: OpenDataset) -> Plan:
    """Plan a baseline and the gated trial that follows it, for every data set, size and seed."""
    sizes = parse_ints(options.sizes, option="--sizes", paper=PAPER_SIZES)
    seeds = parse_seeds(options.seeds)
    names = _names(options.datasets)
    check_product(datasets=len(names), sizes=len(sizes), seeds=len(seeds), kinds_of_trial=2)
    setups = [
        resolve(name, training, open_dataset, objective=BASELINE, paper_steps=PAPER_STEPS)
        for name in names
    ]
    baselines = _baselines(setups, sizes, seeds)
    for baseline in baselines:
        gated(baseline, tau=1.0)  # refuses now what could not be trained whatever the error
    return Plan(
        study="compression",
        folder="compression",
        datasets=tuple(setup.dataset for setup in setups),
        settings={
            setup.dataset.name: settings_of(
                next(spec for spec in baselines if spec.dataset == setup.dataset.name)
            )
            for setup in setups
        },
        request={"sizes": sizes, "seeds": seeds},
        budget=setups[0].budget,
        propose=partial(propose, baselines),
        adds_datasets=True,
    )


def propose(baselines: Sequence[TrialSpec], rows: Rows) -> Proposal:
    """Propose the baselines, and the gated trial of each that has ended."""
    specs, later, impossible, parents = list(baselines), [], [], {}
    for baseline in baselines:
        row = rows.get(baseline.trial_id)
        if row is None or row.status == Status.FAILED:
            like = gated(baseline, tau=1.0)
            later.append(FutureTrial(_key(baseline, like), like, (baseline.trial_id,)))
        elif row.status == Status.DIVERGED:
            width = WIDER * baseline.width
            impossible.append(
                f"{baseline.dataset} width={width} seed={baseline.seed} cannot be trained: its τ "
                f"is the error of {baseline.label}, which diverged"
            )
        else:
            follower = gated(baseline, tau=row.train_sse)
            specs.append(follower)
            parents[follower.trial_id] = baseline.trial_id
    return Proposal(longest_first(specs), tuple(later), tuple(impossible), parents)


def gated(baseline: TrialSpec, tau: float) -> TrialSpec:
    """Return the trial that starts from 2n and has to hold the baseline's error.

    Args:
        baseline: of n dimensions.
        tau: its `train_sse`.
    """
    return dataclasses.replace(
        baseline,
        objective=GATED,
        width=WIDER * baseline.width,
        steps=WIDER * baseline.steps,
        tau=tau,
    )


def _key(baseline: TrialSpec, like: TrialSpec) -> str:
    return f"{baseline.trial_id} {like.objective} width {like.width} steps {like.steps}"


def _baselines(
    setups: Sequence[TrainingSetup], sizes: Sequence[int], seeds: Sequence[int]
) -> tuple[TrialSpec, ...]:
    return longest_first(
        [
            setup.spec(tau=0, width=size, seed=seed)
            for setup in setups
            for size in sizes
            for seed in seeds
        ]
    )


def _names(text: str) -> list[str]:
    """Read the names of data sets; all of them, before the first is downloaded."""
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise UserError(f"--datasets must be different names such as digits,mnist, found {text!r}")
    for name in names:
        data.DATASETS.find(name)
    return names


COMPRESSION = Study(
    name="compression",
    summary="see how close to n the gates come from 2n (Table 1)",
    help="Find out how close to n dimensions the gates come that start with 2n.\n\n"
    "A baseline of n dimensions finds the error that they can reach; then a gated trial of 2n has "
    "to hold that error. `--steps` and `--budget` are the baseline's; the gated trial takes twice "
    "as many and is read on its way. Running the same command again trains nothing twice; more "
    "data sets, sizes or seeds add to what is there.",
    options=CompressionOptions,
    plan=plan,
)
