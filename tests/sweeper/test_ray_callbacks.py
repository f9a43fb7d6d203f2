"""What Ray Tune's callbacks become: the run's events, and how often a trial is tried again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial

from sweeper.backends.ray.callbacks import TuneCallbacks
from sweeper.backends.ray.metrics import TRAINING, WAITING, StudyMetrics
from sweeper.backends.ray.searcher import PackSearcher
from sweeper.ledger.attempts import begin_attempt
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.stop_file import StopFile
from sweeper.ledger.unfinished import read_unfinished
from sweeper.messages import (
    Broadcast,
    Ended,
    Event,
    Job,
    Outcome,
    Pack,
    Progress,
    Progressed,
    Proposed,
    Started,
    WorkerLost,
)
from sweeper.options import RunOptions
from trainer.local_folder import LocalFolder
from trainer.spec import TrialSpec


@pytest.fixture
def specs() -> tuple[TrialSpec, ...]:
    """The two trials of a pack."""
    one, other = (
        TrialSpec(
            dataset="digits", dataset_sha256="0" * 64, architecture="dense", layers=(16,),
            tau=tau, width=16, seed=0, steps=400,
        )
        for tau in (2.0, 3.0)
    )  # fmt: skip
    return one, other


class _Tune:
    """A trial of Tune that trains a pack, the callbacks, and what they lead to."""

    def __init__(self, specs: tuple[TrialSpec, ...], folder: Path) -> None:
        self.events: list[Event] = []
        self.trial = Trial("any", config={}, stub=True)
        job = Job(study="pareto", folder=str(folder), datasets={}, options=RunOptions())
        self.metrics = StudyMetrics(job)
        stop = threading.Event()
        searcher = PackSearcher(_Nothing(), stop)
        searcher.packs[self.trial.trial_id] = Pack(specs, {})
        listen = Broadcast(self.metrics.on_event, self.events.append)
        listen(Proposed(specs, later=0, later_steps=0))
        self.callbacks = TuneCallbacks(
            searcher, job, listen, self.metrics, stop, StopFile(LocalFolder(folder), "run")
        )

    def start(self) -> None:
        self.callbacks.on_trial_start(0, [self.trial], self.trial)

    def report(self, event: str, by_trial: dict[str, Any]) -> None:
        result = {"event": event, "trials": json.dumps(by_trial), "text": ""}
        self.callbacks.on_trial_result(0, [self.trial], self.trial, result)

    def fail(self) -> int:
        """Fail once more; return Tune's count of failures, of which the third is the last."""
        self.trial.run_metadata.num_failures += 1  # as Tune does before it asks
        self.callbacks.on_trial_recover(0, [self.trial], self.trial)
        return int(self.trial.num_failures)


class _Nothing:
    exhausted = True

    def next_pack(self) -> Pack | None:
        return None


@pytest.fixture
def tune(specs: tuple[TrialSpec, ...], tmp_path: Path) -> _Tune:
    return _Tune(specs, tmp_path)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[TrialSpec, int], None]:
    """Write a checkpoint of a trial."""

    def write(spec: TrialSpec, step: int) -> None:
        path = tmp_path / "checkpoints" / spec.trial_id / f"{step:012d}-{0:016x}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    return write


def test_progress_resets_retry_count(
    tune: _Tune, specs: tuple[TrialSpec, ...], save: Callable[[TrialSpec, int], None]
) -> None:
    """Ray gives a trial up that fails for the third time in its count."""
    assert [tune.fail(), tune.fail()] == [1, 2]
    for step in (100, 200):
        save(specs[0], step)
        assert tune.fail() == 1
    assert tune.fail() == 2


def test_what_lost_its_worker_is_noted_in_the_study_if_it_was_begun(
    tune: _Tune, specs: tuple[TrialSpec, ...], tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path)
    begin_attempt(ledger, specs[0])
    tune.fail()
    assert [(each.trial_id, each.is_lost) for each in read_unfinished(ledger)] == [
        (specs[0].trial_id, True)
    ]


def test_what_a_worker_reports_is_heard(tune: _Tune, specs: tuple[TrialSpec, ...]) -> None:
    one, other = specs
    progress, outcome = Progress(10, 2.5, 16, 1.0), Outcome("feasible", 5, 2.1, 3.0)
    tune.start()
    tune.report("progressed", {one.trial_id: vars(progress)})
    tune.report("ended", {other.trial_id: vars(outcome)})
    assert tune.events[1:] == [
        Started(one, 2), Started(other, 2), Progressed(one, progress), Ended(other, outcome),
    ]  # fmt: skip


def test_the_gauge_counts_a_trial_that_lost_its_worker_as_waiting(
    tune: _Tune, specs: tuple[TrialSpec, ...]
) -> None:
    """And one that its pack had ended before as what it came to."""
    _, other = specs
    tune.start()
    assert tune.metrics.counts()[TRAINING] == 2
    tune.report("ended", {other.trial_id: vars(Outcome("feasible", 5, 2.1, 3.0))})
    tune.fail()
    assert tune.events[-1] == WorkerLost(specs)
    counts = tune.metrics.counts()
    assert (counts[WAITING], counts[TRAINING], counts["feasible"]) == (1, 0, 1)
