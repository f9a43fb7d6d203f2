"""One study as reports and figures read it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd
import pyarrow.compute as pc

from analysis.format import listed
from analysis.trials import tabulate
from sweeper.ledger.faults import MODELS, Inspection
from sweeper.ledger.inspection import CHECK_SECONDS
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
    """As `read_trials` returns them, and `damage`: which files of a trial are missing or damaged,
    empty if none is known to be."""
    files: Inspection = field(default_factory=Inspection)
    """What is wrong with the trials' models, samples and curves."""

    @classmethod
    def read(cls, ledger: Ledger) -> StudyData:
        """Read a ledger.

        Raises:
            UserError: if its folder holds no study, or one that this version cannot read.

        """
        manifest, rows = ledger.manifest(), ledger.rows()
        return cls(ledger, manifest, tabulate(rows))._with(ledger.inspect(rows, CHECK_SECONDS))

    def checked(self, trial_id: str) -> StudyData:
        """Return the study after the files of a trial were checked, if there was no time before."""
        if not self.files.unchecked:
            return self
        rows = self.ledger.rows()
        found = self.ledger.inspect(rows.filter(pc.field("trial_id") == trial_id))
        return self._with(self.files.joined(found))

    def _with(self, files: Inspection) -> StudyData:
        found = replace(self, files=files)
        return replace(found, trials=self.trials.assign(damage=found.damage_of(self.trials)))

    def damage_of(self, rows: pd.DataFrame) -> pd.Series:
        """Describe what is wrong with the files of each row's trial; empty if nothing is."""
        problems = self.files.problems
        found = [problems.get(trial_id, "") for trial_id in rows["trial_id"]]
        return pd.Series(found, index=rows.index, dtype="str")

    @property
    def without_model(self) -> frozenset[str]:
        """The ids of the trials whose model is damaged or lost."""
        return self.files.trials_without(MODELS)

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
