"""What a study is: a purpose, and the trials that serve it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.data import Dataset
from trainer.spec import TrialSpec

VARIED = ("tau", "width", "seed")
"""The fields in which the trials of one study on one data set may differ."""


@dataclass(frozen=True)
class Sequel:
    """A trial whose τ is the error that another one ends with, so that it has no id before."""

    first: TrialSpec
    """The other one."""
    objective: str
    width: int
    steps: int

    def __post_init__(self) -> None:
        """Refuse now what could not be trained whatever the error."""
        self.spec(error=1.0)

    @property
    def key(self) -> str:
        """Stands for the trial as long as it has no id."""
        first = self.first.trial_id
        return f"{first} {self.objective} width {self.width} steps {self.steps}"

    def spec(self, error: float) -> TrialSpec:
        """Give the trial, once the error of the first is known (sse, its `train_sse`)."""
        return dataclasses.replace(
            self.first, objective=self.objective, width=self.width, steps=self.steps, tau=error
        )


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study, spelled out.

    A folder holds one question: on each data set its `specs` differ in `VARIED` alone, so that any
    two can stand in one figure. Asking for more of those widens the study; anything else is
    another study.
    """

    study: str
    datasets: tuple[Dataset, ...]
    """All that the trials are trained on."""
    specs: tuple[TrialSpec, ...]
    """At least one."""
    sequels: tuple[Sequel, ...] = ()
    """Trials that follow on some of `specs`."""
    request: Mapping[str, Sequence[Any]]
    """What was asked for, value by value, as the report names it; widening adds to it."""
    budget: str
    """The steps as they were asked for: `quick`, `standard`, `paper` or `--steps`."""
    adds_datasets: bool = False
    """Whether another data set widens the study too."""

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What all `specs` on a data set have in common: by data set, by field of `TrialSpec`."""
        return {dataset.name: self._setting(dataset.name) for dataset in self.datasets}

    def _setting(self, dataset: str) -> dict[str, Any]:
        spec = next(spec for spec in self.specs if spec.dataset == dataset)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(spec).items()
            if name not in (*VARIED, "dataset")
        }

    def dataset(self, name: str) -> Dataset:
        """Give one of `datasets`."""
        return next(dataset for dataset in self.datasets if dataset.name == name)


@dataclass(frozen=True)
class Study:
    """A row of the registry."""

    name: str
    summary: str
    command: Callable[..., None]
    """The study's own command, with its options: it plans the trials and has them run."""


def longest_first(specs: Sequence[TrialSpec]) -> tuple[TrialSpec, ...]:
    """Order trials so that those that take longest do not come last."""
    return tuple(sorted(specs, key=lambda spec: (-spec.steps, -spec.width, spec.tau, spec.seed)))
