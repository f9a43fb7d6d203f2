"""Median and range over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd


def upper_median(values: pd.Series) -> float:
    """Return the median; of an even number, the upper of the middle two: a value that occurred."""
    return float(values.quantile(0.5, interpolation="higher"))


@dataclass(frozen=True)
class Spread:
    """A quantity over seeds."""

    median: float
    low: float
    high: float
    count: int
    """Of the seeds on which it was measured."""

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Summarise the finite values; None if there are none."""
        series = pd.Series(list(values), dtype="float64")
        series = series[np.isfinite(series)]
        if series.empty:
            return None
        return cls(upper_median(series), float(series.min()), float(series.max()), len(series))

    def map(self, change: Callable[[float], float]) -> Spread:
        """Return it in another unit; `change` keeps the order of values."""
        return Spread(change(self.median), change(self.low), change(self.high), self.count)

    def columns(self, name: str) -> dict[str, float]:
        """Return it as columns of a table: the median under this name, and the range."""
        return {name: self.median, f"{name}_min": self.low, f"{name}_max": self.high}
