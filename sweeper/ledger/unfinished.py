"""How far the unfinished trials of a study are, from what they have saved.

A trial in training has two files: a note that it was begun, and its checkpoints. A run that was
killed leaves the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from sweeper.ledger.attempts import ATTEMPT, load_attempt
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.fields import LARGEST, LAST_YEAR
from sweeper.ledger.ledger import Ledger
from trainer.files import Folder
from trainer.spec import TRIAL_ID, TrialSpec
from trainer.training.checkpoint_names import newest_first, step_of

LAST_MOMENT = datetime(LAST_YEAR, 12, 31, tzinfo=UTC).timestamp()
"""A file's time is what its sender made it."""


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A trial that was begun and has not ended."""

    trial_id: str
    spec: TrialSpec | None
    """None if it was begun by a version that did not write it down."""
    began: datetime
    """First of all."""
    attempts: int
    """How often it was begun."""
    step: int
    """Of its newest checkpoint; 0 if it has none."""
    point: dict[str, float] | None
    """The newest point of its curve by then, as `CURVE_SCHEMA` names it."""
    saved_at: datetime
    """When it last saved anything."""
    is_lost: bool = False
    """Whether it has lost its worker, and has not been begun again."""

    @property
    def seconds_per_step(self) -> float | None:
        """How long a step takes, if that is known."""
        if self.point is None or not self.point["step"]:
            return None
        return self.point["seconds"] / self.point["step"]


def read_unfinished(ledger: Ledger) -> list[Unfinished]:
    """Read what the unfinished trials have saved, in the order in which they were begun.

    Trials that end meanwhile, and take their checkpoints with them, are left out.
    """
    names = filter(TRIAL_ID.fullmatch, ledger.checkpoints.names())
    found = (_read(ledger.checkpoints.folder(name)) for name in names)
    return sorted(filter(None, found), key=lambda trial: (trial.began, trial.trial_id))


def _read(folder: Folder) -> Unfinished | None:
    try:
        attempt = load_attempt(folder)
        checkpoints = newest_first(folder)
        written = [folder.modified(name) for name in (ATTEMPT, *checkpoints)]
        point = _last_point(folder.read(checkpoints[0])) if checkpoints else None
    except FileNotFoundError:
        return None
    except ValueError:  # damaged; a worker that goes on with it says so
        return None
    return Unfinished(
        trial_id=folder.name,
        spec=attempt.spec,
        began=attempt.started_at,
        attempts=attempt.number,
        is_lost=attempt.lost_at is not None,
        step=step_of(checkpoints[0]) if checkpoints else 0,
        point=point,
        saved_at=datetime.fromtimestamp(min(max(0.0, *written), LAST_MOMENT), UTC),
    )


def _last_point(checkpoint: bytes) -> dict[str, float] | None:
    """Read the end of a checkpoint's curve; None if it has none, or is damaged."""
    try:
        curve = safetensors.numpy.load(checkpoint)["curve"]
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None
    names = CURVE_SCHEMA.names
    if curve.dtype != np.float64 or curve.shape[1:] != (len(names),) or not len(curve):
        return None
    point = dict(zip(names, curve[-1].tolist(), strict=True))
    counts = (point["step"], point["open_gates"], point["seconds"])
    return point if all(0 <= count <= LARGEST for count in counts) else None
