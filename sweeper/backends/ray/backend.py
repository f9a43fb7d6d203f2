"""Trials as Ray Tune trials. Only this file and its neighbours `ray_….py` import Ray."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweeper.environment import cores, token_path

# Read when Ray is imported: no per-trial log files, no handler in the way of ours for Ctrl-C, and
# no warning about a GPU-visibility default that does not concern trials without one.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1e9")  # Tune's own resume is not used
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a sweep tells nobody that it runs
if token_path().exists() or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
    # Where this user has a token, show it: joining a cluster by its address, Ray would not.
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
import ray._private.worker
from ray import tune
from ray._raylet import setproctitle  # type: ignore[attr-defined]

from sweeper.backends.base import ATTEMPTS, TRIALS_PER_GPU, Listener
from sweeper.backends.ray import liveness
from sweeper.backends.ray.callbacks import AllStopped, Bridge, title_of, trial_name
from sweeper.backends.ray.cluster import (
    Bundle,
    check_nodes,
    find_head,
    receive_data,
    send_data,
    vitals,
)
from sweeper.backends.ray.malloc import share_one_heap
from sweeper.backends.ray.metrics import Metered, TrialMetrics
from sweeper.ledger.stop_file import StopFile
from sweeper.ledger.storage import open_folder
from sweeper.messages import Finished, Job, Progress
from sweeper.planning.packs import Packs
from sweeper.worker.worker import Telling, run_pack
from trainer.errors import UserError
from trainer.spec import TrialSpec
from trainer.training.loop import Interrupted

REPORT_SECONDS = 1.0
OBJECT_STORE_BYTES = 128 * 2**20  # nothing but specs and progress travels


class RayBackend:
    """The backend on Ray: this machine, or with `address` a running cluster.

    Args:
        address: of a cluster to join, for example `auto`; None starts Ray here.
        device: `cpu`, `cuda`, or `auto` for the cluster's GPUs where it has any; workers share
            the GPUs evenly.
        workers: trials at a time; None for one a core on CPU, four a GPU on GPUs.
        on_lost: called in another thread, with what has died, if the head or the part of Ray
            dies that this process is connected to. Its calls to Ray may then never return.

    Raises:
        UserError: if the address cannot be reached, or there is no core or GPU to train on.
    """

    def __init__(
        self,
        *,
        address: str | None,
        device: str,
        workers: int | None,
        on_lost: Callable[[str], None],
    ) -> None:
        self._joined = address is not None
        self._on_lost = on_lost
        self._bundles: dict[str, Bundle] = {}
        share_one_heap()
        self._dashboard = _connect(address, device, workers)
        available: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, gpus = int(available.get("CPU", 0)), int(available.get("GPU", 0))
        self.device = ("cuda" if gpus else "cpu") if device == "auto" else device
        lacking = ("" if cpus else "core") if self.device == "cpu" else ("" if gpus else "GPU")
        if lacking and (address is None or workers is None):
            self.close()
            raise UserError(
                f"no {lacking} found in the Ray cluster; use another --device or, where the "
                "cluster brings nodes when they are asked for, say with --workers how many trials "
                "to train at once"
            )
        limit = min(cpus, gpus * TRIALS_PER_GPU) if self.device == "cuda" else cpus
        self.workers = workers or limit
        self._share = _share(self.device, gpus, self.workers)

    @property
    def notes(self) -> list[str]:
        """Say where the dashboard is and how to get its token."""
        if not self._dashboard:
            return ["Ray's dashboard is not running"]
        where = ", on the cluster's head" if self._joined else ""
        return [
            f"Ray dashboard{where}: http://{self._dashboard} "
            "(it asks for a token: `ray get-auth-token` prints it)"
        ]

    def run(self, packs: Packs, job: Job, listener: Listener, stop: threading.Event) -> None:
        """Train the packs, each as one trial of Tune; see `Backend.run`.

        Raises:
            UserError: if a node of the cluster cannot train them.
        """
        if self._joined:
            check_nodes(job)
            names = {spec.dataset_sha256: spec.dataset for pack in packs for spec in pack}
            unsent = {key: names[key] for key in names.keys() - self._bundles.keys()}
            self._bundles |= send_data(unsent, job)
        scratch = Path(tempfile.mkdtemp(prefix="sweeper-ray-"))
        stop_file = StopFile(open_folder(job.folder), job.run)
        bridge = Bridge(packs, job, Metered(packs, job, listener), stop, stop_file)
        tuner = tune.Tuner(
            tune.with_resources(_trainable(packs, job, self._bundles), self._share),
            param_space={
                "pack": tune.grid_search([[spec.to_json() for spec in pack] for pack in packs])
            },
            tune_config=tune.TuneConfig(
                max_concurrent_trials=self.workers,
                reuse_actors=True,  # importing torch takes longer than many a trial
                trial_name_creator=trial_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=open_folder(job.folder).name,
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
                callbacks=[bridge],
                stop=AllStopped(bridge),
                verbose=0,
            ),
        )
        # What becomes of trials is told by the listener; Tune would say it again in its words.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            with liveness.watching(vitals(), self._on_lost):
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
            is_new = not token_path().exists()
            context = ray.init(
                address="local",  # even where another Ray runs on this machine
                num_cpus=workers or cores(),
                num_gpus=0 if device == "cpu" else None,
                include_dashboard=True,
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
            if is_new and token_path().exists():
                token_path().chmod(0o600)  # Ray leaves it to the user's umask
        else:
            context = ray.init(address=find_head(address), **quiet)
    except UserError:
        raise
    except Exception as error:  # Ray raises that very class when it starts too slowly
        where = f"the Ray cluster at {address!r}" if address else "Ray on this machine"
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"cannot reach {where}: {reason}; check `ray status` there") from error
    # What Ray has to say of nodes that are lost it would print into the answer.
    ray._private.worker._worker_logs_enabled = False
    url: str | None = context.dashboard_url
    return url


def _share(device: str, gpus: int, workers: int) -> dict[str, float]:
    """Give what one worker occupies. Ray keeps books in ten-thousandths of a GPU."""
    if device != "cuda":
        return {"cpu": 1}
    a_gpu = math.ceil(workers / gpus) if gpus else TRIALS_PER_GPU
    return {"cpu": 1, "gpu": math.floor(1e4 / a_gpu) / 1e4}


def _trainable(packs: Packs, job: Job, bundles: Mapping[str, Bundle]) -> Any:
    def sweeper_trial(config: dict[str, Any], bundles: Mapping[str, Bundle]) -> None:
        specs = [TrialSpec.from_json(text) for text in config["pack"]]
        title = f"{job.study} {title_of(specs)}"
        print(title, file=sys.stderr, flush=True)  # the dashboard shows it as the actor's log
        metrics, stop_file = TrialMetrics(job), StopFile(open_folder(job.folder), job.run)

        def should_stop() -> bool:
            metrics.export()  # at every step, since a trial's points may be far apart
            return stop_file()

        reports = _Reports(f"ray::{title}", metrics)
        telling = Telling(
            progress=reports.progress,
            finished=reports.finished,
            note=reports.note,
            should_stop=should_stop,
        )
        try:
            if should_stop():
                raise Interrupted
            receive_data(specs[0], job, bundles)
            run_pack(specs, job, telling)
        except Interrupted:
            tune.report({"event": "interrupted"})

    # The dashboard lists actors by this name. It is read once, before an actor's first trial, so
    # it says what all of them have in common.
    datasets = sorted({spec.dataset for pack in packs for spec in pack})
    sweeper_trial.__name__ = "-".join([job.study, *datasets])
    return tune.with_parameters(sweeper_trial, bundles=bundles)


class _Reports:
    """Passes what a worker says on to Tune; progress at most once a second, of all its trials."""

    def __init__(self, title: str, metrics: TrialMetrics) -> None:
        self._title = title
        self._metrics = metrics
        self._last = 0.0
        self._latest: dict[TrialSpec, Progress] = {}
        setproctitle(title)

    def progress(self, spec: TrialSpec, progress: Progress) -> None:
        self._latest[spec] = progress
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._last = time.monotonic()
            for each, its_progress in self._latest.items():
                self._metrics.progressed(each, its_progress)
            by_trial = {each.trial_id: asdict(latest) for each, latest in self._latest.items()}
            self._report("progressed", by_trial)
            self._latest = {}

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        self._metrics.ended(spec)
        self._report("finished", {spec.trial_id: asdict(outcome)})

    def note(self, text: str) -> None:
        self._report("noted", {}, text)

    def _report(self, event: str, by_trial: dict[str, dict[str, Any]], text: str = "") -> None:
        tune.report({"event": event, "trials": json.dumps(by_trial), "text": text})
        # Ray names the process after the actor's method with every report; the dashboard and
        # `top` are to show which trial it trains.
        setproctitle(self._title)
