"""What becomes of trials, from Ray Tune to the run's listener, and the run's wish to stop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from sweeper.backends.base import fail
from sweeper.backends.ray.metrics import Metered
from sweeper.ledger.stop_file import StopFile
from sweeper.messages import Finished, Job, Progress
from sweeper.planning.packs import Packs
from sweeper.worker.worker import ledger_at
from trainer.spec import TrialSpec
from trainer.training.checkpoint_names import newest_first

WAITING_SECONDS = 30.0
"""Without a trial in training, after which people are told; Ray takes some to start a worker."""


class Bridge(tune.Callback):
    """Turns Tune's callbacks into the listener's events."""

    def __init__(
        self,
        packs: Packs,
        job: Job,
        listener: Metered,
        stop: threading.Event,
        stop_file: StopFile,
    ) -> None:
        self._specs = {spec.trial_id: spec for pack in packs for spec in pack}
        self._job = job
        self._listener = listener
        self._stop = stop
        self._stop_file = stop_file
        self._training: set[str] = set()
        self._trained_at: float | None = time.monotonic()  # None: they were told
        self._saved_when_failed: dict[str, list[str]] = {}
        self._ended: list[Trial] = []

    @property
    def all_stopped(self) -> bool:
        """Whether the run is to stop and no trial is in training any more."""
        return self._stop.is_set() and not self._training

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a resume of its own, which is not used

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Pass on what is known now and then, and the wish to stop."""
        self._listener.export()
        while self._ended:
            _forget(self._ended.pop(), trials[0])
        self._tell_if_waiting()
        if self._stop.is_set():
            self._stop_file.write()

    def _tell_if_waiting(self) -> None:
        """Tell of a cluster without room for any trial, which Ray waits for in silence."""
        if self._training:
            self._trained_at = time.monotonic()
        elif self._trained_at and time.monotonic() - self._trained_at > WAITING_SECONDS:
            self._trained_at = None
            self._listener.note(
                f"no trial has had a worker for {WAITING_SECONDS:.0f} s; the run waits until Ray "
                "has a core or GPU for one (`ray status` shows what there is)"
            )

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Tell that a worker took a pack."""
        self._training.add(trial.trial_id)
        if not self._stop.is_set():
            for spec in self._pack_of(trial):
                self._listener.started(spec)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Tell what a worker reports."""
        if result["event"] == "noted":
            self._listener.note(result["text"])
        for trial_id, fields in json.loads(result.get("trials", "{}")).items():
            if result["event"] == "progressed":
                self._listener.progressed(self._specs[trial_id], Progress(**fields))
            else:
                self._listener.finished(self._specs[trial_id], Finished(**fields))

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Note that a pack lost its worker, and count only those attempts that got nowhere."""
        self._training.discard(trial.trial_id)
        saved, before = self._saved(trial), self._saved_when_failed.get(trial.trial_id)
        if saved != before:
            # It got further than the last time: nodes may come and go as often as they like, and
            # only attempts that get nowhere are counted.
            trial.run_metadata.num_failures = 1
        self._saved_when_failed[trial.trial_id] = saved
        if any(saved):
            title = title_of(self._pack_of(trial))
            self._listener.note(f"{title} lost its worker or raised; it goes on from where it was")

    def _saved(self, trial: Trial) -> list[str]:
        """List the newest checkpoint of each of its specs."""
        root = ledger_at(self._job.folder).checkpoints
        names = [newest_first(root.folder(spec.trial_id)) for spec in self._pack_of(trial)]
        return [next(iter(each), "") for each in names]

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Note that a worker is done with a pack."""
        self._training.discard(trial.trial_id)
        self._ended.append(trial)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Deal with a pack that raised on its last attempt."""
        self._training.discard(trial.trial_id)
        fail(self._pack_of(trial), self._job, _reason(trial), self._listener)

    def _pack_of(self, trial: Trial) -> tuple[TrialSpec, ...]:
        """Give the plan's own specs: copies, one for each trial, would be kept by who hears."""
        return tuple(self._specs[spec.trial_id] for spec in pack_of(trial))


def _forget(trial: Trial, first: Trial) -> None:
    """Drop what Tune keeps of an ended trial, tens of KB, for uses that it is not put to here.

    All trials want the same resources, and none leaves files with Tune, so that one description
    of either will do.
    """
    trial.storage = first.storage
    trial.placement_group_factory = first.placement_group_factory
    trial.experiment_tag = ""
    trial._default_result_or_future = None
    trial.run_metadata.last_result = {}
    trial.run_metadata.metric_analysis.clear()
    trial.run_metadata.metric_n_steps.clear()
    trial.run_metadata.invalidate_cache()  # type: ignore[no-untyped-call]
    trial.invalidate_json_state()  # type: ignore[no-untyped-call]


class AllStopped(tune.Stopper):
    """Ends the run, with its pending trials, when those in training have saved their state."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Tell whether the run is over."""
        return self._bridge.all_stopped


def pack_of(trial: Trial) -> tuple[TrialSpec, ...]:
    """Give the specs that Tune's trial stands for."""
    return tuple(TrialSpec.from_json(text) for text in trial.config["pack"])


def trial_name(trial: Trial) -> str:
    """Name Tune's trial."""
    return title_of(pack_of(trial))


def title_of(specs: Sequence[TrialSpec]) -> str:
    """Name a pack, for people."""
    first, *others = specs
    name = f"{first.dataset} {first.label}"
    return f"{name} and {len(others)} more" if others else name


def _reason(trial: Trial) -> str:
    """Give the last line of the trial's error, which names the exception."""
    path = trial.error_file
    text = Path(path).read_text() if path and Path(path).exists() else ""
    return (text.strip() or "its worker died").splitlines()[-1]
