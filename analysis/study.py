"""One study as reports and figures read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.front import FrontData, compute_front
from analysis.table import read_trials
from sweeper.ledger import Ledger


@dataclass(frozen=True)
class Study:
    """A ledger, read once, so that everything that is said about it agrees."""

    ledger: Ledger
    manifest: dict[str, Any]
    trials: pd.DataFrame
    front: FrontData

    @classmethod
    def read(cls, ledger: Ledger) -> Study:
        """Read a ledger.

        Raises:
            UserError: if its folder holds no study, or one that this version cannot read.

        """
        manifest = ledger.manifest()
        trials = read_trials(ledger)
        return cls(ledger, manifest, trials, compute_front(trials))

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return str(self.manifest["dataset"])
