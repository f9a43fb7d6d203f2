"""What is used of Ray that Ray does not promise to keep: here, and nowhere else.

`tests/sweeper/test_ray_private.py` fails when another Ray is installed than those in `TESTED`, so
that each line here is looked at again.
"""

from __future__ import annotations

import grpc  # type: ignore[import-untyped]
import ray._private.worker
from ray._private.grpc_utils import init_grpc_channel
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import setproctitle  # type: ignore[attr-defined]
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc
from ray.job_config import JobConfig
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial

TESTED = ("2.60",)
"""The versions of Ray, without the last number, that these were tried with."""

__all__ = [
    "TESTED",
    "JobOfInstalledPackages",
    "TokenRefusedError",
    "canonicalize_bootstrap_address",
    "forget_trial",
    "head_answers",
    "keep_credentials_from_runtime_environments",
    "keep_worker_logs_quiet",
    "restart_count_of_failures",
    "setproctitle",
]


class TokenRefusedError(Exception):
    """The head of a cluster wants another token than this machine has."""


def head_answers(head: str, timeout: float) -> bool:
    """Ask the head of a cluster for its id; the public calls would try for minutes.

    Args:
        head: its host and port.
        timeout: seconds.

    Raises:
        TokenRefusedError: if it answers, but refuses the token.
    """
    request = gcs_service_pb2.GetClusterIdRequest()  # type: ignore[attr-defined]
    try:
        with init_grpc_channel(head) as channel:
            service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)  # type: ignore[no-untyped-call]
            service.GetClusterId(request, timeout=timeout)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise TokenRefusedError from error
        return False
    return True


class JobOfInstalledPackages(JobConfig):
    """A job whose workers import what is installed where they run, and nothing else.

    Ray would have them look first in the driver's current folder, and in that of its script.
    """

    def _serialize(self) -> str:
        """Return what workers are told; Ray has added the folders by now."""
        self._py_driver_sys_path.clear()
        self._cached_pb = None
        text: str = super()._serialize()
        return text


def keep_credentials_from_runtime_environments() -> None:
    """Have Tune pass on its own settings alone as variables of workers, not the keys of AWS.

    Ray writes such variables, with their values, into its logs.
    """
    passed_on = class_cache.ENV_VARS_TO_PROPAGATE
    passed_on -= {name for name in passed_on if not name.startswith(("RAY_", "TUNE_", "TRAIN_"))}


def keep_worker_logs_quiet() -> None:
    """Keep what Ray says of nodes that are lost out of this process's output."""
    ray._private.worker._worker_logs_enabled = False


def forget_trial(trial: Trial, first: Trial) -> None:
    """Drop what Tune keeps of an ended trial, tens of KB, for uses that it is not put to here.

    All trials want the same resources, and none leaves files with Tune, so that one description
    of either will do.
    """
    trial.storage = first.storage
    trial.placement_group_factory = first.placement_group_factory
    trial.experiment_tag = ""
    trial.evaluated_params = {}
    trial.config = {}
    vars(trial)["_Trial__unresolved_config"] = {}  # a copy, of which `config` would be made anew
    trial._default_result_or_future = None
    trial.run_metadata.last_result = {}
    trial.run_metadata.metric_analysis.clear()
    trial.run_metadata.metric_n_steps.clear()
    trial.run_metadata.invalidate_cache()  # type: ignore[no-untyped-call]
    trial.invalidate_json_state()  # type: ignore[no-untyped-call]


def restart_count_of_failures(trial: Trial) -> None:
    """Count this failure of a trial as its first."""
    trial.run_metadata.num_failures = 1
