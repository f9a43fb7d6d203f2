"""One study as reports and figures read it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.format import listed
from analysis.trials import read_trials
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import Manifest


@dataclass(frozen=True)
class StudyData:
    """A ledger's manifest and rows, read once, so that everything said about them agrees."""

    ledger: Ledger
    """Where curves and samples are read from."""
    manifest: Manifest
    """The content of `study.json`."""
    trials: pd.DataFrame
    """As `read_trials` returns them."""

    @classmethod
    def read(cls, ledger: Ledger) -> StudyData:
        """Read a ledger.

        Raises:
            UserError: if its folder holds no study, or one that this version cannot read.

        """
        return cls(ledger, ledger.manifest(), read_trials(ledger))

    @property
    def name(self) -> str:
        """Which study it is, for example `pareto`."""
        return self.manifest.study

    @property
    def datasets(self) -> list[str]:
        """The names of its data sets."""
        return list(self.manifest.settings)

    @property
    def dataset(self) -> str:
        """The names of its data sets as a phrase: `digits and tiles`."""
        return listed(self.datasets)

    @property
    def medians_note(self) -> str:
        """A sentence that counts are medians; empty if there is one seed only."""
        several = self.trials["seed"].nunique() > 1
        return " Counts are medians over the seeds." if several else ""
