"""Trials as Ray Tune trials: this machine's Ray, or a cluster's."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweeper.backends.ray import liveness, token_path
from sweeper.backends.ray.callbacks import AllStopped, TuneCallbacks
from sweeper.backends.ray.cluster import (
    Bundle,
    check_nodes,
    endpoints,
    find_head,
    send_data,
)
from sweeper.backends.ray.malloc import limit_arenas
from sweeper.backends.ray.metrics import StudyMetrics
from sweeper.backends.ray.private import keep_worker_logs_quiet
from sweeper.backends.ray.searcher import PackSearcher
from sweeper.backends.ray.trainable import trainable
from sweeper.environment import cores
from sweeper.ledger.stop_file import StopFile
from sweeper.ledger.storage import open_folder
from sweeper.messages import (
    Broadcast,
    Job,
    PackSource,
    Preparing,
)
from sweeper.options import ATTEMPTS, TRIALS_PER_GPU
from trainer.errors import UserError

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
        limit_arenas()
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
            check_nodes(job)
            self._bundles = send_data(job)
            listen(Preparing(""))
        scratch = Path(tempfile.mkdtemp(prefix="sweeper-ray-"))
        stop_file = StopFile(open_folder(job.folder), job.run)
        metrics = StudyMetrics(job)
        searcher = PackSearcher(source, stop)
        listen.subscribe(metrics.on_event)
        callbacks = TuneCallbacks(searcher, job, listen, metrics, stop, stop_file)
        tuner = tune.Tuner(
            tune.with_resources(trainable(job, self._bundles), self._share),
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
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
                callbacks=[callbacks],
                stop=AllStopped(callbacks),
                verbose=0,
            ),
        )
        # The run's listeners report what becomes of trials; Tune would say it again.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        try:
            with liveness.monitor(endpoints(), self._on_lost):
                tuner.fit()
        finally:
            stop_file.clear()
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        ray.shutdown()


def _connect(address: str | None, device: str, workers: int | None) -> str | None:
    """Start or join Ray; return the dashboard's host and port."""
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
    keep_worker_logs_quiet()
    url: str | None = context.dashboard_url
    return url


def _share(device: str, gpus: int, workers: int) -> dict[str, float]:
    """Return what one worker occupies; Ray counts in ten-thousandths of a GPU."""
    if device != "cuda":
        return {"cpu": 1}
    a_gpu = math.ceil(workers / gpus) if gpus else TRIALS_PER_GPU
    return {"cpu": 1, "gpu": math.floor(1e4 / a_gpu) / 1e4}
