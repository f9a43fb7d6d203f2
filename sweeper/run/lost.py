"""The record of a run whose process died without writing how it ended."""

from __future__ import annotations

from dataclasses import replace

from sweeper.ledger.ledger import Ledger, now
from sweeper.ledger.manifest import INTERRUPTED


def close_lost_run(folder: str, started_at: str, reason: str) -> None:
    """Write that a run was interrupted, unless another has begun since.

    The lock is not taken: where it is a lease, the dead run's would have to expire first.

    Args:
        folder: the study's.
        started_at: what distinguishes the run from others of the study.
        reason: how its process died.

    Raises:
        OSError, UserError: if the study cannot be read or written.
    """
    ledger = Ledger(folder)
    if not ledger.exists:
        return
    manifest = ledger.manifest()
    if not manifest.runs:
        return
    *earlier, last = manifest.runs
    if last.started_at.isoformat() == started_at and last.finished_at is None:
        ended = replace(last, outcome=INTERRUPTED, finished_at=now(), lost=reason)
        ledger.write_manifest(replace(manifest, runs=(*earlier, ended)))
