"""What a kind of study provides, so that it can be reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.study_data import StudyData
from analysis.study_report import StudyReport


@dataclass(frozen=True, kw_only=True)
class View:
    """A row of the registry."""

    study: str
    """Its name in `sweeper.studies`."""
    compute: Callable[[StudyData], StudyReport]
    """Computes everything that is said about a study, finished or not, with trials or without."""


def as_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as JSON has them: null for what is not a finite number."""
    return {str(name): _plain(item) for name, item in facts.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_json(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
