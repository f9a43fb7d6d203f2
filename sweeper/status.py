"""How a study is doing, from its ledger alone: of one that runs, that was killed, that is done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from sweeper.ledger.ledger import Ledger
from sweeper.ledger.unfinished import Saved, read_saved
from sweeper.run.record import KILLED, RUNNING
from trainer.verdict import Status

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """How a study is doing."""

    folder: str
    study: str
    datasets: tuple[str, ...]
    asked: int
    statuses: dict[str, int]
    """How many trials of the folder ended how."""
    finished: int
    """Trials asked for that need not be trained any more."""
    failed: int
    running: tuple[Saved, ...]
    """Trials that the run under way has begun."""
    interrupted: tuple[Saved, ...]
    """Trials that an earlier run has begun; the next run goes on with them."""
    last_run: dict[str, Any] | None
    """Its entry in `study.json`; its outcome is `killed` if it never came to write one."""
    last_sign: datetime | None
    """When the study last wrote anything about itself or a trial."""
    in_use: bool
    """Whether a run is under way."""
    seconds_to_go: float | None
    """Of wall time, with the workers of the last run; None if nothing is known to go by."""

    @property
    def waiting(self) -> int:
        """Count the trials that were never begun."""
        begun = self.finished + self.failed + len(self.running) + len(self.interrupted)
        return self.asked - begun

    def to_json(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "folder": self.folder,
            "study": self.study,
            "datasets": list(self.datasets),
            "asked": self.asked,
            "finished": self.finished,
            "failed": self.failed,
            "waiting": self.waiting,
            "running": [_saved_json(saved) for saved in self.running],
            "interrupted": [_saved_json(saved) for saved in self.interrupted],
            "statuses": self.statuses,
            "in_use": self.in_use,
            "seconds_to_go": self.seconds_to_go,
            "last_sign": self.last_sign.isoformat() if self.last_sign else None,
            "last_run": self.last_run,
        }


def read_status(ledger: Ledger) -> StudyStatus:
    """Read how a study is doing.

    Raises:
        UserError: if the folder holds no study, or one that cannot be read.
    """
    in_use = ledger.holder is not None
    saved = read_saved(ledger)
    columns = ["trial_id", "status", "seconds", "finished_at"]
    # The rows come last: a trial that ends meanwhile has a row, and counts as ended.
    manifest, rows = ledger.manifest(), ledger.rows().select(columns).to_pylist()
    asked = set(manifest["asked"])
    last_run = _last_run(manifest, in_use)
    ended = {row["trial_id"]: row for row in rows if row["trial_id"] in asked}
    begun = [each for each in saved if each.trial_id in asked and _goes_on(each, ended)]
    in_training = {each.trial_id for each in begun if in_use and _is_of(each, last_run)}
    running = [each for each in begun if each.trial_id in in_training]
    interrupted = [each for each in begun if each.trial_id not in in_training]
    for each in begun:
        ended.pop(each.trial_id, None)  # it failed before and is tried again
    failed = sum(row["status"] == Status.FAILED for row in ended.values())
    count = len(asked) + len(manifest["waiting"])
    untouched = count - len(ended) - len(begun)
    workers = (last_run or {}).get("workers") or 1
    return StudyStatus(
        folder=str(ledger.folder),
        study=manifest["study"],
        datasets=tuple(manifest["settings"]),
        asked=count,
        statuses=dict(sorted(Counter(row["status"] for row in rows).items())),
        finished=len(ended) - failed,
        failed=failed,
        running=tuple(running),
        interrupted=tuple(interrupted),
        last_run=last_run,
        in_use=in_use,
        last_sign=_last_sign(last_run, rows, saved),
        seconds_to_go=seconds_to_go(begun, untouched, rows, workers),
    )


def seconds_to_go(
    begun: Sequence[Saved], waiting: int, rows: Sequence[Row], workers: int
) -> float | None:
    """Estimate the wall time that is left, or give None where there is nothing to go by.

    A trial that has begun goes on as fast as so far; one that waits takes as long as those that
    ended did on average or, as long as none has, as those that have begun will.
    """
    lengths = [row["seconds"] for row in rows if row["seconds"] and math.isfinite(row["seconds"])]
    begun_lengths = [length for each in begun if (length := _length(each)) is not None]
    if not lengths and not begun_lengths:
        return None
    usual = fmean(lengths or begun_lengths)
    left = [_left(each, usual) for each in begun] + [usual] * waiting
    return max(sum(left) / workers, *left) if left else 0.0


def _length(saved: Saved) -> float | None:
    """Give how long a trial will have taken, in seconds."""
    pace = saved.seconds_per_step
    return None if pace is None or saved.spec is None else pace * saved.spec.steps


def _left(saved: Saved, usual: float) -> float:
    length = _length(saved)
    if length is None or saved.spec is None:
        return usual
    return length * (1 - saved.step / saved.spec.steps)


def _last_run(manifest: dict[str, Any], in_use: bool) -> dict[str, Any] | None:
    if not manifest["runs"]:
        return None
    last_run: dict[str, Any] = dict(manifest["runs"][-1])
    if last_run["outcome"] == RUNNING and not in_use:
        last_run["outcome"] = KILLED
    return last_run


def _goes_on(saved: Saved, ended: dict[str, Row]) -> bool:
    """Tell whether a trial that has saved something is yet to end."""
    row = ended.get(saved.trial_id)
    return row is None or bool(row["status"] == Status.FAILED and saved.seen > row["finished_at"])


def _is_of(saved: Saved, run: dict[str, Any] | None) -> bool:
    """Tell whether a trial was worked on since the run began."""
    return run is not None and saved.seen >= datetime.fromisoformat(run["started_at"])


def _last_sign(
    run: dict[str, Any] | None, rows: Sequence[Row], saved: Sequence[Saved]
) -> datetime | None:
    moments = [row["finished_at"] for row in rows] + [each.seen for each in saved]
    written = [run["started_at"], run["finished_at"]] if run else []
    moments += [datetime.fromisoformat(text) for text in written if text]
    return max(moments).astimezone(UTC) if moments else None


def _saved_json(saved: Saved) -> dict[str, Any]:
    spec = saved.spec
    return {
        "trial_id": saved.trial_id,
        "label": spec.label if spec else None,
        "dataset": spec.dataset if spec else None,
        "step": saved.step,
        "steps": spec.steps if spec else None,
        "attempts": saved.attempts,
        "point": saved.point,
        "saved_at": saved.seen.isoformat(),
    }
