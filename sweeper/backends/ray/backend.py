"""Trials as Ray Tune trials: this machine's Ray, or a cluster's."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

import ray
from ray import tune

from sweeper.backends.ray import connection, liveness
from sweeper.backends.ray.callbacks import AllStopped, TuneCallbacks
from sweeper.backends.ray.cluster import Bundle, check_nodes, endpoints, send_data
from sweeper.backends.ray.credentials import Credentials, find_credentials
from sweeper.backends.ray.malloc import limit_arenas
from sweeper.backends.ray.metrics import StudyMetrics
from sweeper.backends.ray.searcher import PackSearcher
from sweeper.backends.ray.temporary import TemporaryFolder, base_folder, remove_left_over
from sweeper.backends.ray.trainable import trainable
from sweeper.ledger.stop_file import StopFile
from sweeper.ledger.storage import open_folder
from sweeper.messages import (
    Broadcast,
    Event,
    Failed,
    Job,
    Noted,
    PackSource,
    Preparing,
)
from sweeper.options import ATTEMPTS, TRIALS_PER_GPU
from trainer.errors import UserError


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
        self._credentials: Credentials = {}
        self._failed = False
        limit_arenas()
        self._temporary = _temporary_folder()
        try:
            self._dashboard = (
                connection.start(self._temporary, device, workers)
                if address is None
                else connection.join(address)
            )
        except UserError:
            self._temporary.close(keep=self._temporary.logs.exists())
            raise
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
        if not self._dashboard:
            return ["Ray's dashboard is not running"]
        where = ", on the cluster's head" if self._joined else ""
        return [
            f"Ray dashboard{where}: http://{self._dashboard} "
            "(it asks for a token: `ray get-auth-token` prints it)"
        ]

    def run(self, source: PackSource, job: Job, listen: Broadcast, stop: threading.Event) -> None:
        if self._joined:
            listen(Preparing("checking the nodes of the cluster, and sending them the data"))
            self._credentials = find_credentials()  # else workers have this process's environment
            check_nodes(job, self._credentials)
            self._bundles = send_data(job)
            listen(Preparing(""))
        stop_file = StopFile(open_folder(job.folder), job.run)
        metrics = StudyMetrics(job)
        searcher = PackSearcher(source, stop)
        for listener in (metrics.on_event, self._on_event):
            listen.subscribe(listener)
        callbacks = TuneCallbacks(searcher, job, listen, metrics, stop, stop_file)
        tuner = tune.Tuner(
            tune.with_resources(trainable(job, self._bundles, self._credentials), self._share),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,  # until the searcher has no more
                max_concurrent_trials=self.workers,
                reuse_actors=True,  # importing torch takes longer than many a trial
                trial_name_creator=lambda trial: str(trial.config["title"]),
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=open_folder(job.folder).name,
                storage_path=str(self._temporary.tune),
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
                callbacks=[callbacks],
                stop=AllStopped(callbacks),
                verbose=0,
            ),
        )
        # The run's listeners report what becomes of trials; Tune would say it again.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)

        def lost(name: str) -> None:
            self._tell_where_logs_are(listen)
            self._on_lost(name)

        try:
            with liveness.monitor(endpoints(), lost):
                tuner.fit()
        except Exception:
            self._failed = True
            raise
        finally:
            stop_file.clear()
        if self._failed:
            self._tell_where_logs_are(listen)

    def close(self) -> None:
        ray.shutdown()
        self._temporary.close(keep=self._failed and not self._joined)

    def _on_event(self, event: Event) -> None:
        # Not for a pack, whose trials are tried alone: a run that ends well leaves nothing.
        self._failed |= isinstance(event, Failed)

    def _tell_where_logs_are(self, listen: Broadcast) -> None:
        if not self._joined:
            listen(Noted(f"Ray's logs of this run, until the next: {self._temporary.logs}"))


def _temporary_folder() -> TemporaryFolder:
    """Make the run's temporary folder, and remove those of runs that were killed."""
    base = base_folder()
    remove_left_over(base)
    try:
        return TemporaryFolder(base)
    except OSError as error:
        raise UserError(
            f"Ray needs a temporary folder: {error}; name another place with RAY_TMPDIR"
        ) from error


def _share(device: str, gpus: int, workers: int) -> dict[str, float]:
    """Return what one worker occupies; Ray counts in ten-thousandths of a GPU."""
    if device != "cuda":
        return {"cpu": 1}
    a_gpu = math.ceil(workers / gpus) if gpus else TRIALS_PER_GPU
    return {"cpu": 1, "gpu": math.floor(1e4 / a_gpu) / 1e4}
