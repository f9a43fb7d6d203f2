"""What a worker does with its trials: begin or resume them, train them, record them.

The same function serves every backend. All it needs from the process that planned the trials is
their specs and the job, and all it leaves is in the study's folder.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import torch

from sweeper.environment import package_versions
from sweeper.ledger.attempts import Attempt, begin_attempt, checkpoints_of, read_attempt
from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.ledger import Ledger, now
from sweeper.ledger.record import TrialRecord
from sweeper.messages import Job, Outcome, Pack, Progress
from sweeper.worker.compile import is_compiled
from trainer import data
from trainer.hardware import choose_device, set_precision
from trainer.objectives.measures import CurvePoint
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.step.trial import Trial, on_device
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.export import model_file
from trainer.training.loop import Hooks, Trained, train_together
from trainer.verdict import Status


@functools.cache
def ledger_at(folder: str) -> Ledger:
    """Open a study's folder, once in a process: a ledger remembers what it has read."""
    return Ledger(folder)


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """What a worker calls while it trains."""

    progress: Callable[[TrialSpec, Progress], None]
    ended: Callable[[TrialSpec, Outcome], None]
    """Called when the trial's row is in the ledger."""
    should_stop: Callable[[], bool]
    note: Callable[[str], None] = lambda text: None
    """Called with what went wrong without ending a trial, a line each."""


def run_pack(pack: Pack, job: Job, reporter: Reporter) -> None:
    """Train trials together, or one alone, and record each in the study's ledger.

    Raises:
        trainer.training.loop.Interrupted: if `should_stop` was true; the trials' states were saved.
        UserError: if the data cannot be read, or is not what the specs were made for.
    """
    began = time.perf_counter()
    torch.set_num_threads(1)
    set_precision(strict=job.options.strict_float32)
    ledger = ledger_at(job.folder)
    missing = []
    for spec in pack.specs:
        recorded = find_finished(ledger, spec)
        if recorded is None:
            missing.append(spec)
        else:
            reporter.ended(spec, recorded)
    if not missing:
        return
    with _warnings_to(reporter.note):
        attempts = [begin_attempt(ledger, spec) for spec in missing]
        trials = _trials(missing, job)
        trained = train_together(
            trials,
            [_hooks(*each, job, reporter) for each in zip(missing, attempts, strict=True)],
            compiled=is_compiled(missing, trials[0].device.type, job.options.compile),
        )
    for trial, attempt, each in zip(trials, attempts, trained, strict=True):
        if find_finished(ledger, trial.spec) is None:
            ledger.record(_record(trial, each, pack, job, attempt, pack_size=len(trials)))
        result = each.result
        seconds = (time.perf_counter() - began) / len(trials)
        outcome = Outcome(str(result.status), result.open_gates, result.test_sse_sampled, seconds)
        reporter.ended(trial.spec, outcome)


def _trials(specs: Sequence[TrialSpec], job: Job) -> list[Trial]:
    first = specs[0]
    dataset = data.open_content(first.dataset_sha256, first.dataset, job.options.data_dir)
    device = choose_device(job.options.device)
    images = on_device(dataset.train, device)
    return [Trial(spec, dataset, device, images=images) for spec in specs]


def _hooks(spec: TrialSpec, attempt: Attempt, job: Job, reporter: Reporter) -> Hooks:
    def begun(step: int) -> None:
        if step == 0 and attempt.number > 1:
            reporter.note(
                f"{spec.label} begins again: attempt {attempt.number} found no checkpoint to go "
                "on from"
            )

    return Hooks(
        on_begin=begun,
        on_point=lambda point: reporter.progress(spec, _progress(point)),
        should_stop=reporter.should_stop,
        checkpoints=CheckpointFolder(checkpoints_of(ledger_at(job.folder), spec), spec.trial_id),
        checkpoint_seconds=job.options.checkpoint_seconds,
    )


class _Notes(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(record.getMessage())


@contextmanager
def _warnings_to(note: Callable[[str], None]) -> Iterator[None]:
    """Pass on what training warns of: nobody looks into a worker's own log."""
    handler = _Notes(note)
    loggers = [logging.getLogger(name) for name in ("sweeper.ledger.attempts", "trainer")]
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)


def _record(
    trial: Trial, trained: Trained, pack: Pack, job: Job, attempt: Attempt, pack_size: int
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
        parent=pack.parents.get(trial.spec.trial_id),
        curves=_curve_table(trained),
        model=model_file(trial, trained.state),
        samples=trained.samples,
    )


def find_finished(ledger: Ledger, spec: TrialSpec) -> Outcome | None:
    """Return how a trial ended that is in the ledger already.

    A worker may have died between recording its trial and reporting it, or have outlived the run
    that started it: what it recorded is neither trained again nor overwritten.
    """
    row = ledger.row(spec.trial_id)
    if row is None or row["status"] == Status.FAILED:
        return None
    return Outcome(row["status"], row["open_gates"], row["test_sse_sampled"], seconds=0.0)


def record_failure(spec: TrialSpec, pack: Pack, job: Job, error: str) -> Outcome | None:
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
            result=TrialResult.of_failure(error, job.options.device),
            attempts=attempt.number,
            started_at=attempt.started_at,
            finished_at=now(),
            versions=package_versions(),
            parent=pack.parents.get(spec.trial_id),
        )
    )
    return None


def _progress(point: CurvePoint) -> Progress:
    return Progress(point.step, point.sse, point.open_gates, point.multiplier)


def _curve_table(trained: Trained) -> pa.Table:
    rows = [dict(zip(CURVE_SCHEMA.names, point, strict=True)) for point in trained.curve]
    return pa.Table.from_pylist(rows, schema=CURVE_SCHEMA)
