"""How often a trial was begun, over all runs: a small file beside its checkpoints."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from sweeper.ledger.fields import Fields
from sweeper.ledger.ledger import Ledger, now
from trainer import bounded_json
from trainer.files import Folder
from trainer.spec import TrialSpec

ATTEMPT = "attempt.json"
MAX_ATTEMPTS = 2**31

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """How often a trial was begun, over all runs, and when first."""

    number: int
    started_at: datetime
    spec: TrialSpec | None = None
    """None in a note of a version that did not write it down."""
    lost_at: datetime | None = None
    """When it lost its worker; None while it has one, or if nobody could note that."""


def checkpoints_of(ledger: Ledger, spec: TrialSpec) -> Folder:
    """Return the folder of a trial's checkpoints."""
    return ledger.checkpoints.folder(spec.trial_id)


def load_attempt(folder: Folder) -> Attempt:
    """Read the note in a folder of checkpoints, which has the trial's id as its name.

    Raises:
        OSError: if it cannot be read; FileNotFoundError if there is none.
        ValueError: if it is damaged, or another trial's.
    """
    fields = Fields(bounded_json.parse_object(folder.read(ATTEMPT)))
    text = fields.optional("spec", fields.text)
    spec = None if text is None else TrialSpec.from_json(text)
    if spec is not None and spec.trial_id != folder.name:
        raise ValueError("it is of another trial")
    return Attempt(
        number=fields.whole("number", most=MAX_ATTEMPTS),
        started_at=fields.moment("started_at"),
        spec=spec,
        lost_at=fields.optional("lost_at", fields.moment),
    )


def read_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Read how often a trial was begun; number 0 if never."""
    folder = checkpoints_of(ledger, spec)
    try:
        return load_attempt(folder)
    except FileNotFoundError:
        return Attempt(0, now())
    except (OSError, ValueError) as error:
        logger.warning(
            "%s cannot be read (%s); its attempts are counted anew", folder.at(ATTEMPT), error
        )
        return Attempt(0, now())


def begin_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Count one more attempt, on disk, so that one that is killed is counted too."""
    before = read_attempt(ledger, spec)
    attempt = dataclasses.replace(before, number=before.number + 1, spec=spec, lost_at=None)
    _write(ledger, spec, attempt)
    return attempt


def note_loss(ledger: Ledger, spec: TrialSpec) -> None:
    """Note that a trial that was begun has lost its worker, until it is begun again."""
    attempt = read_attempt(ledger, spec)
    if attempt.number:
        _write(ledger, spec, dataclasses.replace(attempt, lost_at=now()))


def _write(ledger: Ledger, spec: TrialSpec, attempt: Attempt) -> None:
    fields = {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(),
        "spec": spec.to_json(),  # for `sweeper status`: an id says nothing
    }
    lost = {"lost_at": attempt.lost_at.isoformat()} if attempt.lost_at else {}
    checkpoints_of(ledger, spec).write(ATTEMPT, json.dumps(fields | lost).encode())
