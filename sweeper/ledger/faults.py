"""What is wrong with the files beside a study's rows, and how people are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sweeper.ledger.units import counted

MODELS, SAMPLES, CURVES = "models", "samples", "curves"
"""The kinds of files, by the folder that they are in."""

MISSING, DAMAGED = "is missing", "is not what was written"

MAX_NAMED = 20
"""Of more files than this, people are told the number only."""


class Fault(NamedTuple):
    """A file that is not the one that the row of its trial has the digest of."""

    trial_id: str
    label: str
    """How a person tells the trial from its neighbours."""
    kind: str
    file: str
    """Its path in the study's folder."""
    problem: str
    """What is wrong with it, as the end of a sentence."""
    certain: bool
    """Whether it is missing or damaged, and not only impossible to read at this moment."""


@dataclass(frozen=True)
class Inspection:
    """What was found wrong with a study's files."""

    faults: tuple[Fault, ...] = ()
    absent: frozenset[str] = frozenset()
    """The kinds of whose files not even the folder is there: the study was copied without."""
    unchecked: int = 0
    """Trials that there was no time to check."""
    trials: int = 0
    """Of how many."""

    def trials_without(self, kind: str) -> frozenset[str]:
        """Return the ids of the trials whose file of this kind is at fault."""
        return frozenset(fault.trial_id for fault in self.faults if fault.kind == kind)

    @property
    def problems(self) -> dict[str, str]:
        """Describe what is wrong with the files of each trial that has faults."""
        found: dict[str, list[str]] = {}
        for fault in self.faults:
            found.setdefault(fault.trial_id, []).append(f"{fault.file} {fault.problem}")
        return {trial_id: "; ".join(words) for trial_id, words in found.items()}

    def joined(self, other: Inspection) -> Inspection:
        """Return it with what another inspection found besides."""
        faults = tuple(dict.fromkeys((*self.faults, *other.faults)))
        return Inspection(faults, self.absent | other.absent, self.unchecked, self.trials)

    @property
    def title(self) -> str:
        """Count the files and the trials, as a sentence without its full stop."""
        trials = len({fault.trial_id for fault in self.faults})
        if trials == 1:
            return "1 trial lacks a file, or has a damaged one"
        return f"{trials:,} trials lack files, or have damaged ones"

    @property
    def advice(self) -> str:
        """Advise what to do about it, in whole sentences."""
        if not self.absent:
            return "Run the same command again: it trains these trials again."
        folders = " and ".join(f"{kind}/" for kind in sorted(self.absent))
        return (
            f"Run the same command again, with --repair since there is no folder {folders}: it "
            "trains these trials again."
        )

    @property
    def unchecked_line(self) -> str:
        """Describe how much there was no time to check, in a sentence without its full stop."""
        return (
            f"the files of {self.unchecked:,} of {self.trials:,} trials were not checked for "
            "damage, for lack of time"
        )

    def details(self) -> list[tuple[str, str]]:
        """Return pairs of a file, or a folder, and what is wrong with it."""
        return describe(self.faults, self.absent)

    def to_json(self) -> dict[str, object]:
        """Return it as programs read it."""
        return {
            "damaged": [
                {name: getattr(fault, name) for name in ("trial_id", "label", "file", "problem")}
                for fault in self.faults
            ],
            "unchecked": self.unchecked,
        }


def describe(faults: Iterable[Fault], absent: frozenset[str]) -> list[tuple[str, str]]:
    """Return pairs of a file, or a folder, and what is wrong with it; many as their number."""
    by_file: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        whole = fault.kind in absent
        file = f"{fault.kind}/" if whole else fault.file
        problem = f"{MISSING} as a whole" if whole else fault.problem
        by_file.setdefault((file, problem), []).append(fault.label)
    lines = [
        (file, f"{problem} ({labels[0] if len(labels) == 1 else counted(len(labels), 'trial')})")
        for (file, problem), labels in by_file.items()
    ]
    if len(lines) > MAX_NAMED:
        more = counted(len(lines) - MAX_NAMED, "more file")
        lines[MAX_NAMED:] = [(more, "missing or damaged")]
    return lines
