"""Which finished trials are to be trained again, since a file of theirs is damaged or lost."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.ledger.faults import Fault, Inspection, describe
from sweeper.ledger.inspection import CHECK_SECONDS
from sweeper.ledger.ledger import Ledger
from sweeper.planning.missing import Work

AGAIN = "trained again"


@dataclass(frozen=True)
class Repair:
    """What is to be done about damaged files."""

    again: frozenset[str] = frozenset()
    """The ids of the trials to train again."""
    notes: tuple[str, ...] = ()
    """What people should know, a line each."""


def plan_repair(work: Work, ledger: Ledger, wish: bool | None) -> Repair:
    """Check the files of the trials that a plan asks for and that have finished.

    Others are left as they are: this run would not train them again.

    Args:
        work: what the plan wants.
        ledger: its ledger.
        wish: whether to train again what is damaged or lost; None to do so unless the whole folder
            of such files is missing, as in a copy that was made without the models.
    """
    ended = set(ledger.ended()).difference(spec.trial_id for spec in work.missing)
    asked = ended.intersection(spec.trial_id for spec in work.proposal.specs)
    if not asked:
        return Repair()
    rows = ledger.rows()
    rows = rows.filter(pc.is_in(rows["trial_id"], pa.array(sorted(asked))))
    found = ledger.inspect(rows, CHECK_SECONDS if wish is False else None)
    to_do = {fault: _what_to_do(fault, found, wish) for fault in found.faults}
    again = frozenset(fault.trial_id for fault, what in to_do.items() if what == AGAIN)
    notes = []
    for what in dict.fromkeys(to_do.values()):
        faults = [fault for fault in to_do if to_do[fault] == what]
        lines = describe(faults, found.absent)
        notes += [f"{file} {problem}: {what}" for file, problem in lines]
    return Repair(again, (*notes, *([found.unchecked_line] if found.unchecked else [])))


def _what_to_do(fault: Fault, found: Inspection, wish: bool | None) -> str:
    if wish is False:
        return "kept as it is (--no-repair)"
    if not fault.certain:
        return "kept as it is"
    if wish is None and fault.kind in found.absent:
        return (
            "kept as it is, as long as there is no such folder (--repair trains it again, "
            "--no-repair keeps it in any case)"
        )
    return AGAIN
