"""What a worker does with its trials: continue or begin them, train them, record them.

The same function serves every backend. It needs nothing from the process that planned the trials
but their specs and the job, and nothing but the study's folder to hand back.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import torch

from sweeper.environment import package_versions
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.ledger import ATTEMPT, Ledger, now
from sweeper.ledger.record import TrialRecord
from sweeper.messages import Finished, Job, Progress
from sweeper.planning.compilation import is_compiled
from trainer import data
from trainer.files import Folder
from trainer.hardware import choose_device, set_precision
from trainer.objectives.measures import CurvePoint
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.step.trial import Trial, on_device
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.export import model_file
from trainer.training.loop import Hooks, Trained, train_together
from trainer.verdict import Status

logger = logging.getLogger(__name__)


@functools.cache
def ledger_at(folder: str) -> Ledger:
    """Open a study's folder, once in a process: a ledger remembers what it has read."""
    return Ledger(folder)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How a worker speaks to its run."""

    progress: Callable[[TrialSpec, Progress], None]
    finished: Callable[[TrialSpec, Finished], None]
    """Called when the trial's row is in the ledger."""
    should_stop: Callable[[], bool]
    note: Callable[[str], None] = lambda text: None
    """Called with what went wrong without ending a trial, a line each."""


def run_pack(specs: Sequence[TrialSpec], job: Job, telling: Telling) -> None:
    """Train trials together, or one alone, and record each in the study's ledger.

    Raises:
        trainer.training.loop.Interrupted: if `should_stop` said so; the trials' states were saved.
        UserError: if the data cannot be read, or is not what the specs were made for.
    """
    began = time.perf_counter()
    torch.set_num_threads(1)
    set_precision(strict=job.strict_float32)
    ledger = ledger_at(job.folder)
    missing = []
    for spec in specs:
        recorded = find_finished(ledger, spec)
        if recorded is None:
            missing.append(spec)
        else:
            telling.finished(spec, recorded)
    if not missing:
        return
    with _warnings_to(telling.note):
        attempts = [begin_attempt(ledger, spec) for spec in missing]
        trials = _trials(missing, job)
        trained = train_together(
            trials,
            [_hooks(*each, job, telling) for each in zip(missing, attempts, strict=True)],
            compiled=is_compiled(missing, trials[0].device.type, job.compile),
        )
    for trial, attempt, each in zip(trials, attempts, trained, strict=True):
        if find_finished(ledger, trial.spec) is None:
            ledger.record(_record(trial, each, job, attempt, pack_size=len(trials)))
        result = each.result
        seconds = (time.perf_counter() - began) / len(trials)
        outcome = Finished(str(result.status), result.open_gates, result.test_sse_sampled, seconds)
        telling.finished(trial.spec, outcome)


def _trials(specs: Sequence[TrialSpec], job: Job) -> list[Trial]:
    data_dir = Path(job.data_dir) if job.data_dir else None
    dataset = data.open_content(specs[0].dataset_sha256, specs[0].dataset, data_dir)
    device = choose_device(job.device)
    images = on_device(dataset.train, device)
    return [Trial(spec, dataset, device, images=images) for spec in specs]


def _hooks(spec: TrialSpec, attempt: Attempt, job: Job, telling: Telling) -> Hooks:
    def begun(step: int) -> None:
        if step == 0 and attempt.number > 1:
            telling.note(
                f"{spec.label} begins again: attempt {attempt.number} found no checkpoint to go "
                "on from"
            )

    return Hooks(
        on_begin=begun,
        on_point=lambda point: telling.progress(spec, _progress(point)),
        should_stop=telling.should_stop,
        checkpoints=CheckpointFolder(_place(ledger_at(job.folder), spec), spec.trial_id),
        checkpoint_seconds=job.checkpoint_seconds,
    )


class _Notes(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(record.getMessage())


@contextmanager
def _warnings_to(note: Callable[[str], None]) -> Iterator[None]:
    """Pass on what training warns of; a worker's own log is where nobody looks."""
    handler, loggers = _Notes(note), (logger, logging.getLogger("trainer"))
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)


def _record(
    trial: Trial, trained: Trained, job: Job, attempt: Attempt, pack_size: int
) -> TrialRecord:
    return TrialRecord(
        study=job.study,
        spec=trial.spec,
        result=trained.result,
        attempts=attempt.number,
        started_at=attempt.started_at,
        finished_at=now(),
        versions=package_versions(),
        pack_size=pack_size,
        curves=_curve_table(trained),
        model=model_file(trial, trained.state),
        samples=trained.samples,
    )


def find_finished(ledger: Ledger, spec: TrialSpec) -> Finished | None:
    """Find a trial that is in the ledger already.

    A worker may have died between recording its trial and saying so, or have outlived the run
    that started it: what it recorded is neither trained again nor overwritten.
    """
    row = ledger.row(spec.trial_id)
    if row is None or row["status"] == Status.FAILED:
        return None
    return Finished(row["status"], row["open_gates"], row["test_sse_sampled"], seconds=0.0)


def record_failure(spec: TrialSpec, job: Job, error: str) -> Finished | None:
    """Record a trial that raised on its last attempt. Its checkpoints stay: the next run goes on.

    Returns:
        The outcome of a trial that did finish; its row is left as it is.
    """
    ledger = ledger_at(job.folder)
    recorded = find_finished(ledger, spec)
    if recorded is not None:
        return recorded
    attempt = read_attempt(ledger, spec)
    ledger.record(
        TrialRecord(
            study=job.study,
            spec=spec,
            result=TrialResult.of_failure(error, job.device),
            attempts=attempt.number,
            started_at=attempt.started_at,
            finished_at=now(),
            versions=package_versions(),
        )
    )
    return None


@dataclass(frozen=True)
class Attempt:
    """How often a trial was begun, over all runs, and when first."""

    number: int
    started_at: datetime


def read_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Read how often a trial was begun; number 0 if never."""
    folder = _place(ledger, spec)
    if not folder.has(ATTEMPT):
        return Attempt(0, now())
    try:
        fields = json.loads(folder.read(ATTEMPT))
        return Attempt(int(fields["number"]), datetime.fromisoformat(fields["started_at"]))
    except (ValueError, TypeError, KeyError) as error:
        logger.warning(
            "%s is damaged (%s); its attempts are counted anew", *(folder.at(ATTEMPT), error)
        )
        return Attempt(0, now())


def begin_attempt(ledger: Ledger, spec: TrialSpec) -> Attempt:
    """Count one more attempt, on disk, so that one that is killed is counted too."""
    before = read_attempt(ledger, spec)
    attempt = dataclasses.replace(before, number=before.number + 1)
    fields = {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(),
        "spec": spec.to_json(),  # for those who look on: an id says nothing
    }
    _place(ledger, spec).write(ATTEMPT, json.dumps(fields).encode())
    return attempt


def _place(ledger: Ledger, spec: TrialSpec) -> Folder:
    return ledger.checkpoints.folder(spec.trial_id)


def _progress(point: CurvePoint) -> Progress:
    return Progress(point.step, point.sse, point.open_gates, point.multiplier)


def _curve_table(trained: Trained) -> pa.Table:
    rows = [dict(zip(CURVE_SCHEMA.names, point, strict=True)) for point in trained.curve]
    return pa.Table.from_pylist(rows, schema=CURVE_SCHEMA)
