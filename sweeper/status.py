"""How a study is doing, from its ledger alone: one that runs, was killed, or is done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, NamedTuple

from sweeper.ledger.faults import Inspection
from sweeper.ledger.inspection import CHECK_SECONDS
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import KILLED, RUNNING, Manifest, RunEntry
from sweeper.ledger.unfinished import Unfinished, read_unfinished
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
    running: tuple[Unfinished, ...]
    """Trials that the run under way has begun."""
    lost: tuple[Unfinished, ...]
    """Trials that the run under way has begun, and that wait since they have lost their worker."""
    interrupted: tuple[Unfinished, ...]
    """Trials that an earlier run has begun; the next run goes on with them."""
    last_run: RunEntry | None
    """Its entry in `study.json`; its outcome is `killed` if it never came to write one."""
    last_sign: datetime | None
    """When the study last wrote anything about itself or a trial."""
    in_use: bool
    """Whether a run is under way."""
    seconds_to_go: float | None
    """Of wall time, with the workers of the last run; None if nothing is known to go by."""
    files: Inspection | None
    """What is wrong with the models, samples and curves; None if that was not checked."""
    rebuilt: str = ""
    """Why `study.json` had to be rebuilt from the rows; empty if it was not."""

    @property
    def waiting(self) -> int:
        """Count the trials that were never begun, or are lost."""
        begun = self.finished + self.failed + len(self.running) + len(self.interrupted)
        return self.asked - begun

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {
            "folder": self.folder,
            "study": self.study,
            "datasets": list(self.datasets),
            "asked": self.asked,
            "finished": self.finished,
            "failed": self.failed,
            "waiting": self.waiting,
            "running": [_trial_json(trial) for trial in self.running],
            "lost": [_trial_json(trial) for trial in self.lost],
            "interrupted": [_trial_json(trial) for trial in self.interrupted],
            "statuses": self.statuses,
            "in_use": self.in_use,
            "seconds_to_go": self.seconds_to_go,
            "last_sign": self.last_sign.isoformat() if self.last_sign else None,
            "last_run": self.last_run.to_json() if self.last_run else None,
            "rebuilt": self.rebuilt or None,
            **({} if self.files is None else self.files.to_json()),
        }


def read_status(ledger: Ledger, *, check_files: bool = False) -> StudyStatus:
    """Read how a study is doing.

    Args:
        ledger: the study's.
        check_files: whether to check models, samples and curves, for `CHECK_SECONDS` at most.

    Raises:
        UserError: if the folder holds no study, or one that cannot be read.
    """
    in_use = ledger.holder is not None
    unfinished = read_unfinished(ledger)
    columns = ["trial_id", "status", "seconds", "finished_at"]
    # The rows come last: a trial that ends meanwhile has a row, and counts as ended.
    manifest, table = ledger.manifest(), ledger.rows()
    files = ledger.inspect(table, CHECK_SECONDS) if check_files else None
    rows = table.select(columns).to_pylist()
    asked = set(manifest.asked)
    last_run = _last_run(manifest, in_use)
    ended = {row["trial_id"]: row for row in rows if row["trial_id"] in asked}
    begun = [each for each in unfinished if each.trial_id in asked and _goes_on(each, ended)]
    own = {each.trial_id for each in begun if in_use and _is_of(each, last_run)}
    running = [each for each in begun if each.trial_id in own and not each.is_lost]
    lost = [each for each in begun if each.trial_id in own and each.is_lost]
    interrupted = [each for each in begun if each.trial_id not in own]
    for each in begun:
        ended.pop(each.trial_id, None)  # it failed before and is tried again
    failed = sum(row["status"] == Status.FAILED for row in ended.values())
    count = len(asked) + len(manifest.waiting)
    untouched = count - len(ended) - len(begun)
    workers = (last_run.workers if last_run else None) or 1
    lengths = [row["seconds"] for row in rows if row["seconds"] and math.isfinite(row["seconds"])]
    return StudyStatus(
        folder=str(ledger.folder),
        study=manifest.study,
        datasets=tuple(manifest.settings),
        asked=count,
        statuses=dict(sorted(Counter(row["status"] for row in rows).items())),
        finished=len(ended) - failed,
        failed=failed,
        running=tuple(running),
        lost=tuple(lost),
        interrupted=tuple(interrupted),
        last_run=last_run,
        rebuilt=manifest.rebuilt,
        in_use=in_use,
        last_sign=_last_sign(last_run, rows, unfinished),
        seconds_to_go=seconds_to_go([_pace(each) for each in begun], untouched, lengths, workers),
        files=files,
    )


class Pace(NamedTuple):
    """How fast a trial goes that has begun."""

    step: int
    steps: int
    """In all."""
    seconds_per_step: float | None
    """None if that is not known yet."""


def seconds_to_go(
    begun: Sequence[Pace], waiting: float, lengths: Sequence[float], workers: float
) -> float | None:
    """Estimate the wall time that is left; None where nothing is known to go by.

    A trial that has begun goes on as fast as so far; one that waits takes as long as those that
    ended did on average or, as long as none has, as those that have begun will.

    Args:
        begun: the trials in training.
        waiting: how many trials of usual length have not begun.
        lengths: seconds that trials took which have ended; their share of a pack's.
        workers: packs in training at a time.
    """
    begun_lengths = [
        pace.steps * pace.seconds_per_step for pace in begun if pace.seconds_per_step is not None
    ]
    if not lengths and not begun_lengths:
        return None
    usual = fmean(lengths or begun_lengths)
    left = [_left(pace, usual) for pace in begun]
    longest = max([*left, usual] if waiting else left, default=0.0)
    return max((sum(left) + usual * waiting) / workers, longest)


def _left(pace: Pace, usual: float) -> float:
    if pace.seconds_per_step is None:
        return usual
    return (pace.steps - pace.step) * pace.seconds_per_step


def _pace(trial: Unfinished) -> Pace:
    if trial.spec is None:
        return Pace(trial.step, 0, None)
    return Pace(trial.step, trial.spec.steps, trial.seconds_per_step)


def _last_run(manifest: Manifest, in_use: bool) -> RunEntry | None:
    if not manifest.runs:
        return None
    last_run = manifest.runs[-1]
    killed = last_run.outcome == RUNNING and not in_use
    return replace(last_run, outcome=KILLED) if killed else last_run


def _goes_on(trial: Unfinished, ended: dict[str, Row]) -> bool:
    """Return whether a trial that has saved something is yet to end."""
    row = ended.get(trial.trial_id)
    if row is None:
        return True
    return bool(row["status"] == Status.FAILED and trial.saved_at > row["finished_at"])


def _is_of(trial: Unfinished, run: RunEntry | None) -> bool:
    """Return whether a trial was worked on since the run began."""
    return run is not None and trial.saved_at >= run.started_at


def _last_sign(
    run: RunEntry | None, rows: Sequence[Row], unfinished: Sequence[Unfinished]
) -> datetime | None:
    moments = [row["finished_at"] for row in rows] + [each.saved_at for each in unfinished]
    moments += [moment for moment in (run.started_at, run.finished_at) if moment] if run else []
    return max(moments).astimezone(UTC) if moments else None


def _trial_json(trial: Unfinished) -> dict[str, Any]:
    spec = trial.spec
    return {
        "trial_id": trial.trial_id,
        "label": spec.label if spec else None,
        "dataset": spec.dataset if spec else None,
        "step": trial.step,
        "steps": spec.steps if spec else None,
        "attempts": trial.attempts,
        "point": trial.point,
        "saved_at": trial.saved_at.isoformat(),
    }
