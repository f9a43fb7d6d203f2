"""One study as reports and figures read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.computed.front import FrontData, compute_front
from analysis.format import listed
from analysis.trials import read_trials
from sweeper.ledger.ledger import Ledger


@dataclass(frozen=True)
class Study:
    """A ledger, read once, so that everything that is said about it agrees."""

    ledger: Ledger
    manifest: dict[str, Any]
    trials: pd.DataFrame

    @classmethod
    def read(cls, ledger: Ledger) -> Study:
        """Read a ledger.

        Raises:
            UserError: if its folder holds no study, or one that this version cannot read.

        """
        return cls(ledger, ledger.manifest(), read_trials(ledger))

    @property
    def name(self) -> str:
        """Which study it is, for example `pareto`."""
        return str(self.manifest["study"])

    @property
    def datasets(self) -> list[str]:
        """The names of its data sets."""
        return list(self.manifest["settings"])

    @property
    def dataset(self) -> str:
        """The names of its data sets, in words."""
        return listed(self.datasets)

    @property
    def medians(self) -> str:
        """A sentence that says so, where counts are of several seeds."""
        several = self.trials["seed"].nunique() > 1
        return " Counts are medians over the seeds." if several else ""

    @cached_property
    def front(self) -> FrontData:
        """The front of its trials, which are all of one data set."""
        return compute_front(self.trials)
