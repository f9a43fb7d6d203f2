"""How often a trial was begun, over all runs: a small file beside its checkpoints."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from sweeper.ledger.ledger import Ledger, now
from trainer.files import Folder
from trainer.spec import TrialSpec

ATTEMPT = "attempt.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """How often a trial was begun, over all runs, and when first."""

    number: int
    started_at: datetime


def checkpoints_of(ledger: Ledger, spec: TrialSpec) -> Folder:
    """Return the folder of a trial's checkpoints."""
    return ledger.checkpoints.folder(spec.trial_id)


def read_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Read how often a trial was begun; number 0 if never."""
    folder = checkpoints_of(ledger, spec)
    try:
        if not folder.has(ATTEMPT):
            return Attempt(0, now())
        fields = json.loads(folder.read(ATTEMPT))
        return Attempt(int(fields["number"]), datetime.fromisoformat(fields["started_at"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning(
            "%s cannot be read (%s); its attempts are counted anew", folder.at(ATTEMPT), error
        )
        return Attempt(0, now())


def begin_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Count one more attempt, on disk, so that one that is killed is counted too."""
    before = read_attempt(ledger, spec)
    attempt = dataclasses.replace(before, number=before.number + 1)
    fields = {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(),
        "spec": spec.to_json(),  # for `sweeper status`: an id says nothing
    }
    checkpoints_of(ledger, spec).write(ATTEMPT, json.dumps(fields).encode())
    return attempt
