"""What becomes of trials, from Ray Tune to the run's listener, and the run's wish to stop."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from sweeper.backends.ray.metrics import StudyMetrics
from sweeper.backends.ray.private import forget_trial, restart_count_of_failures
from sweeper.backends.ray.searcher import PackSearcher
from sweeper.ledger.attempts import note_loss
from sweeper.ledger.stop_file import StopFile
from sweeper.messages import (
    Ended,
    Job,
    Listener,
    Noted,
    Outcome,
    Progress,
    Progressed,
    Started,
    WorkerLost,
)
from sweeper.worker.failure import give_up
from sweeper.worker.worker import ledger_at
from trainer.files import Folder
from trainer.spec import TrialSpec
from trainer.training.checkpoint_names import newest_first

WAITING_SECONDS = 30.0
"""Without a trial in training, after which people are told; Ray takes some to start a worker."""


class TuneCallbacks(tune.Callback):
    """Turns Tune's callbacks into the run's events.

    Args:
        searcher: knows which pack is which trial of Tune.
        job: the run's.
        listen: the run's listener.
        metrics: exported at every step of Tune.
        stop: once set, workers are asked to stop.
        stop_file: how they are asked.
    """

    def __init__(
        self,
        searcher: PackSearcher,
        job: Job,
        listen: Listener,
        metrics: StudyMetrics,
        stop: threading.Event,
        stop_file: StopFile,
    ) -> None:
        self._searcher = searcher
        self._job = job
        self._listen = listen
        self._metrics = metrics
        self._stop = stop
        self._stop_file = stop_file
        self._training: set[str] = set()
        self._trained_at: float | None = time.monotonic()  # None: it was noted
        self._saved_when_failed: dict[str, list[str]] = {}
        self._ended: list[Trial] = []

    @property
    def all_stopped(self) -> bool:
        """Whether the run is to stop and no trial is in training any more."""
        return self._stop.is_set() and not self._training

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a resume of its own, which is not used

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._metrics.export()
        while self._ended:
            forget_trial(self._ended.pop(), trials[0])
        self._note_if_waiting()
        if self._stop.is_set():
            self._stop_file.write()

    def _note_if_waiting(self) -> None:
        """Note that a cluster has no room for any trial, which Ray waits for in silence."""
        if self._training:
            self._trained_at = time.monotonic()
        elif self._trained_at and time.monotonic() - self._trained_at > WAITING_SECONDS:
            self._trained_at = None
            self._listen(
                Noted(
                    f"no trial has had a worker for {WAITING_SECONDS:.0f} s; the run waits until "
                    "Ray has a core or GPU for one (`ray status` shows what there is)"
                )
            )

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.add(trial.trial_id)
        if not self._stop.is_set():
            for spec in self._specs(trial):
                self._listen(Started(spec, len(self._specs(trial))))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        if result["event"] == "noted":
            self._listen(Noted(result["text"]))
            return
        specs = {spec.trial_id: spec for spec in self._specs(trial)}
        for trial_id, fields in json.loads(result.get("trials", "{}")).items():
            if result["event"] == "progressed":
                self._listen(Progressed(specs[trial_id], Progress(**fields)))
            else:
                self._listen(Ended(specs[trial_id], Outcome(**fields)))

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.discard(trial.trial_id)
        saved, before = self._saved(trial), self._saved_when_failed.get(trial.trial_id)
        if saved != before:
            # It got further than the last time: nodes may come and go as often as they like, and
            # only attempts that get nowhere are counted.
            restart_count_of_failures(trial)
        self._saved_when_failed[trial.trial_id] = saved
        for spec in self._specs(trial):
            with contextlib.suppress(OSError):  # it only shows
                note_loss(ledger_at(self._job.folder), spec)
        self._listen(WorkerLost(self._specs(trial)))
        if any(saved):
            title = self._searcher.packs[trial.trial_id].title
            self._listen(Noted(f"{title} lost its worker or raised; it goes on from where it was"))

    def _saved(self, trial: Trial) -> list[str]:
        """List the newest checkpoint of each of its specs; empty where none can be found."""
        root = ledger_at(self._job.folder).checkpoints
        return [_newest_checkpoint(root.folder(spec.trial_id)) for spec in self._specs(trial)]

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.discard(trial.trial_id)
        self._searcher.packs.pop(trial.trial_id, None)
        self._ended.append(trial)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.discard(trial.trial_id)
        pack = self._searcher.packs.pop(trial.trial_id)
        self._listen(give_up(pack, self._job, _reason(trial)))
        self._ended.append(trial)

    def _specs(self, trial: Trial) -> tuple[TrialSpec, ...]:
        """Return the plan's own specs: listeners keep them, and copies would add up."""
        return self._searcher.packs[trial.trial_id].specs


class AllStopped(tune.Stopper):
    """Ends the run, with its pending trials, when those in training have saved their state."""

    def __init__(self, callbacks: TuneCallbacks) -> None:
        self._callbacks = callbacks

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Return whether the run is over."""
        return self._callbacks.all_stopped


def _newest_checkpoint(folder: Folder) -> str:
    try:
        return next(iter(newest_first(folder)), "")
    except OSError:  # so a trial whose checkpoints cannot be reached has got no further
        return ""


def _reason(trial: Trial) -> str:
    """Return the last line of the trial's error, which names the exception."""
    path = trial.error_file
    text = Path(path).read_text() if path and Path(path).exists() else ""
    return (text.strip() or "its worker died").splitlines()[-1]
