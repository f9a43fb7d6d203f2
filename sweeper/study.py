"""What a study is: a purpose, and the trials that serve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.datasets import Dataset
from trainer.spec import TrialSpec

VARIED = ("tau", "width", "seed")
"""The fields in which the trials of one study folder may differ."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study, spelled out.

    A folder holds one question: its trials differ in `VARIED` alone, so that any two can stand in
    one figure. Asking for more of those widens the study; anything else is another study.
    """

    study: str
    dataset: Dataset
    specs: tuple[TrialSpec, ...]
    """At least one."""

    @property
    def setting(self) -> dict[str, Any]:
        """What all trials have in common, by field of `TrialSpec`."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self.specs[0]).items()
            if name not in VARIED
        }

    @property
    def request(self) -> dict[str, list[float]]:
        """The values asked for of each varied field."""
        return {f"{name}s": sorted({getattr(spec, name) for spec in self.specs}) for name in VARIED}


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
