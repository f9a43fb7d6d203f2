"""What becomes of a pack that raised on its last attempt."""

from __future__ import annotations

from sweeper.messages import Ended, Event, Failed, Job, Pack, PackFailed
from sweeper.worker.worker import record_failure


def give_up(pack: Pack, job: Job, error: str) -> Event:
    """Record the failure of a trial alone; of several, it is not known which one is at fault.

    Returns:
        What the run's listener is to hear.
    """
    if len(pack.specs) > 1:
        return PackFailed(pack.specs, error)
    (spec,) = pack.specs
    try:
        finished = record_failure(spec, pack, job, error)
    except OSError as caught:  # a full disk must not end the others, which may yet find room
        return Failed(spec, f"{error} (and that could not be recorded: {caught})")
    return Failed(spec, error) if finished is None else Ended(spec, finished)
