"""Trials as Ray Tune trials. The one file that imports Ray."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Read when Ray is imported: no per-trial log files, no handler in the way of ours for Ctrl-C, and
# no warning about a GPU-visibility default that does not concern trials without one.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a sweep tells nobody that it runs
if (Path.home() / ".ray" / "auth_token").exists():
    # Where this user has a token, show it: joining a cluster by its address, Ray would not.
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray import tune
from ray._raylet import setproctitle  # type: ignore[attr-defined]
from ray.tune.experiment import Trial

from sweeper.backends.base import ATTEMPTS, TRIALS_PER_GPU, Listener, fail
from sweeper.environment import cores
from sweeper.job import Finished, Job, Progress
from sweeper.packs import Packs
from sweeper.stop_file import StopFile
from sweeper.worker import Telling, run_pack
from trainer.errors import UserError
from trainer.loop import Interrupted
from trainer.spec import TrialSpec

REPORT_SECONDS = 1.0
OBJECT_STORE_BYTES = 128 * 2**20  # nothing but specs and progress travels


class RayBackend:
    """The backend on Ray: this machine, or with `address` a running cluster.

    Args:
        address: of a cluster to join, for example `auto`; None starts Ray here.
        device: `cpu`, `cuda`, or `auto` for the cluster's GPUs where it has any; workers share
            the GPUs evenly.
        workers: trials at a time; None for one a core on CPU, four a GPU on GPUs.

    Raises:
        UserError: if the address cannot be reached, or there is no GPU where one is needed.
    """

    def __init__(self, *, address: str | None, device: str, workers: int | None) -> None:
        self._dashboard = _connect(address, device, workers)
        available: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, gpus = max(1, int(available.get("CPU", 1))), int(available.get("GPU", 0))
        self.device = ("cuda" if gpus else "cpu") if device == "auto" else device
        if self.device == "cuda" and not gpus and (address is None or workers is None):
            self.close()
            raise UserError(
                "no GPU found in the Ray cluster; use --device cpu or, where the cluster brings "
                "GPUs when they are asked for, say with --workers how many trials to train at once"
            )
        limit = min(cpus, gpus * TRIALS_PER_GPU) if self.device == "cuda" else cpus
        self.workers = workers or limit
        self._share = _share(self.device, gpus, self.workers)

    @property
    def notes(self) -> list[str]:
        """Say where the dashboard is and how to get its token."""
        if not self._dashboard:
            return ["Ray's dashboard is not running"]
        return [
            f"Ray dashboard: http://{self._dashboard} "
            "(it asks for a token: `ray get-auth-token` prints it)"
        ]

    def run(self, packs: Packs, job: Job, listener: Listener, stop: threading.Event) -> None:
        """Train the packs, each as one trial of Tune; see `Backend.run`."""
        scratch = Path(tempfile.mkdtemp(prefix="sweeper-ray-"))
        stop_file = StopFile(Path(job.folder))
        stop_file.clear()
        bridge = _Bridge(job, listener, stop, stop_file)
        tuner = tune.Tuner(
            tune.with_resources(_trainable(packs, job), self._share),
            param_space={
                "pack": tune.grid_search([[spec.to_json() for spec in pack] for pack in packs])
            },
            tune_config=tune.TuneConfig(
                max_concurrent_trials=self.workers,
                reuse_actors=True,  # importing torch takes longer than many a trial
                trial_name_creator=_trial_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=Path(job.folder).name,
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
                callbacks=[bridge],
                stop=_AllStopped(bridge),
                verbose=0,
            ),
        )
        # What becomes of trials is told by the listener; Tune would say it again in its words.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            tuner.fit()
        finally:
            stop_file.clear()
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        """Leave the cluster, or stop the Ray that was started here."""
        ray.shutdown()


def _connect(address: str | None, device: str, workers: int | None) -> str | None:
    """Start or join Ray; gives the dashboard's host and port."""
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    try:
        if address is None:
            context = ray.init(
                address="local",  # even where another Ray runs on this machine
                num_cpus=workers or cores(),
                num_gpus=0 if device == "cpu" else None,
                include_dashboard=True,
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
        else:
            _knock(address)
            context = ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        where = f"the Ray cluster at {address!r}" if address else "Ray on this machine"
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"cannot reach {where}: {reason}; check `ray status` there") from error
    url: str | None = context.dashboard_url
    return url


def _knock(address: str) -> None:
    """Find out at once whether anyone listens; Ray itself would try for minutes.

    Raises:
        OSError: if nobody does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


def _share(device: str, gpus: int, workers: int) -> dict[str, float]:
    """Give what one worker occupies. Ray keeps books in ten-thousandths of a GPU."""
    if device != "cuda":
        return {"cpu": 1}
    a_gpu = math.ceil(workers / gpus) if gpus else TRIALS_PER_GPU
    return {"cpu": 1, "gpu": math.floor(1e4 / a_gpu) / 1e4}


def _trainable(packs: Packs, job: Job) -> Any:
    def sweeper_trial(config: dict[str, Any]) -> None:
        specs = [TrialSpec.from_json(text) for text in config["pack"]]
        title = f"{job.study} {_name(specs)}"
        print(title, file=sys.stderr, flush=True)  # the dashboard shows it as the actor's log
        reports, should_stop = _Reports(f"ray::{title}"), StopFile(Path(job.folder))
        telling = Telling(
            progress=reports.progress, finished=reports.finished, should_stop=should_stop
        )
        try:
            if should_stop():
                raise Interrupted
            run_pack(specs, job, telling)
        except Interrupted:
            tune.report({"event": "interrupted"})

    # The dashboard lists actors by this name. It is read once, before an actor's first trial, so
    # it says what all of them have in common.
    datasets = sorted({spec.dataset for pack in packs for spec in pack})
    sweeper_trial.__name__ = "-".join([job.study, *datasets])
    return sweeper_trial


class _Reports:
    """Passes what a worker says on to Tune; progress at most once a second, of all its trials."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last = 0.0
        self._latest: dict[str, dict[str, Any]] = {}
        setproctitle(title)

    def progress(self, spec: TrialSpec, progress: Progress) -> None:
        self._latest[spec.trial_id] = asdict(progress)
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._last = time.monotonic()
            self._report("progressed", self._latest)
            self._latest = {}

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        self._report("finished", {spec.trial_id: asdict(outcome)})

    def _report(self, event: str, by_trial: dict[str, dict[str, Any]]) -> None:
        tune.report({"event": event, "trials": json.dumps(by_trial)})
        # Ray names the process after the actor's method with every report; the dashboard and
        # `top` are to show which trial it trains.
        setproctitle(self._title)


class _Bridge(tune.Callback):
    """Turns Tune's callbacks into the listener's events."""

    def __init__(
        self,
        job: Job,
        listener: Listener,
        stop: threading.Event,
        stop_file: StopFile,
    ) -> None:
        self._job = job
        self._listener = listener
        self._stop = stop
        self._stop_file = stop_file
        self._training: set[str] = set()

    @property
    def all_stopped(self) -> bool:
        """Whether the run is to stop and no trial is in training any more."""
        return self._stop.is_set() and not self._training

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a resume of its own, which is not used

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self._stop.is_set():
            self._stop_file.write()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.add(trial.trial_id)
        if not self._stop.is_set():
            for spec in _pack(trial):
                self._listener.started(spec)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        specs = {spec.trial_id: spec for spec in _pack(trial)}
        for trial_id, fields in json.loads(result.get("trials", "{}")).items():
            if result["event"] == "progressed":
                self._listener.progressed(specs[trial_id], Progress(**fields))
            else:
                self._listener.finished(specs[trial_id], Finished(**fields))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.discard(trial.trial_id)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._training.discard(trial.trial_id)
        fail(_pack(trial), self._job, _reason(trial), self._listener)


class _AllStopped(tune.Stopper):
    """Ends the run, with its pending trials, when those in training have saved their state."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._bridge.all_stopped


def _pack(trial: Trial) -> tuple[TrialSpec, ...]:
    return tuple(TrialSpec.from_json(text) for text in trial.config["pack"])


def _trial_name(trial: Trial) -> str:
    return _name(_pack(trial))


def _name(specs: Sequence[TrialSpec]) -> str:
    first, *others = specs
    name = f"{first.dataset} {first.label}"
    return f"{name} and {len(others)} more" if others else name


def _reason(trial: Trial) -> str:
    """Give the last line of the trial's error, which names the exception."""
    path = trial.error_file
    text = Path(path).read_text() if path and Path(path).exists() else ""
    return (text.strip() or "its worker died").splitlines()[-1]
