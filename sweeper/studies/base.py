"""What a study is: a question, and the trials that answer it, proposed from what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from sweeper.ledger.rows import Row
from sweeper.studies.setup import TrainingOptions
from trainer.data import Dataset
from trainer.spec import TrialSpec

Rows: TypeAlias = Mapping[str, Row]
"""What the ledger knows of the trials that have ended, by trial id."""


class FutureTrial(NamedTuple):
    """A trial that cannot be named before others have ended."""

    key: str
    """Stands for it, always the same, as long as it has no id."""
    like: TrialSpec
    """A trial that takes as many steps and as much memory."""
    after: tuple[str, ...]
    """The ids of the trials that must have ended before it can be named, or some of them."""


class Proposal(NamedTuple):
    """All trials that a study wants, given what is known."""

    specs: tuple[TrialSpec, ...]
    """Those that can be named, whether they have ended or not, each once."""
    later: tuple[FutureTrial, ...] = ()
    """Those that can be named once some of `specs` have ended."""
    impossible: tuple[str, ...] = ()
    """Why others will never be, a line each."""
    parents: Mapping[str, str] = {}
    """For those of `specs` that follow from another trial: its id, by theirs."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study, settled: what it asks on which data.

    A folder holds one question: on each data set its trials have `settings` in common, so that any
    two can stand in one figure, and differ in what is swept. Asking for more of that widens the
    study; anything else is another study.
    """

    study: str
    folder: str
    """Its name below `studies/`, unless another place is given."""
    datasets: tuple[Dataset, ...]
    """All that the trials are trained on."""
    settings: Mapping[str, Mapping[str, Any]]
    """What all trials on a data set have in common: by data set, by field of `TrialSpec`."""
    request: Mapping[str, Sequence[Any]]
    """What was asked for, value by value, as the report names it; widening adds to it."""
    budget: str
    """The steps as they were asked for: `quick`, `standard`, `paper` or `--steps`."""
    propose: Callable[[Rows], Proposal]
    """Pure: the same rows give the same proposal, so that a study that was killed goes on as it
    would have. It may depend on the rows of trials that it proposed itself, and on nothing else."""
    adds_datasets: bool = False
    """Whether another data set widens the study too."""

    def dataset(self, name: str) -> Dataset:
        """Return one of `datasets`."""
        return next(dataset for dataset in self.datasets if dataset.name == name)


OpenDataset: TypeAlias = Callable[[str], Dataset]
"""Opens a data set by its name, after downloading it if need be."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A row of the registry."""

    name: str
    summary: str
    """One line, for a list of studies."""
    help: str
    """What its command does, for people."""
    options: type[Any]
    """A frozen dataclass of its own options (`sweeper.options.option`)."""
    plan: Callable[[Any, TrainingOptions, OpenDataset], Plan]
    """Settle on a plan: (own options, how to train, how to open data) → plan. Raises UserError for
    what cannot be trained."""


def constant(specs: Sequence[TrialSpec]) -> Callable[[Rows], Proposal]:
    """Return the `propose` of a study that knows all its trials from the start."""
    proposal = Proposal(longest_first(specs))
    return lambda rows: proposal


def longest_first(specs: Sequence[TrialSpec]) -> tuple[TrialSpec, ...]:
    """Order trials so that those that take longest do not come last."""
    return tuple(sorted(specs, key=lambda spec: (-spec.steps, -spec.width, spec.tau, spec.seed)))
