"""What is used of Ray that Ray does not promise to keep still is what it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import ray
from ray.core.generated import common_pb2
from ray.job_config import JobConfig
from ray.tune.experiment import Trial
from study import free_port

from sweeper.backends.ray import private

TITLE = """
import sys
from pathlib import Path
from sweeper.backends.ray.private import setproctitle
setproctitle(sys.argv[1])
print(Path("/proc/self/cmdline").read_text().rstrip("\\0"))
"""


def test_this_ray_was_tried() -> None:
    """Another has to be looked at: read `private.py` line by line, then add it to TESTED."""
    assert ray.__version__.rpartition(".")[0] in private.TESTED


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_takes_the_name_that_it_is_given() -> None:
    name = "ray::pareto digits τ=2"
    ran = subprocess.run(
        [sys.executable, "-c", TITLE, name], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == name


def test_a_canonical_address_is_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert private.canonicalize_bootstrap_address("127.0.0.1:6379").endswith(":6379")
    with pytest.raises(ValueError, match="nowhere"):
        private.canonicalize_bootstrap_address("nowhere")


def test_no_head_answers_at_a_closed_port() -> None:
    assert not private.head_answers(f"127.0.0.1:{free_port()}", timeout=5.0)


def test_workers_are_told_of_no_folder_of_the_driver() -> None:
    told = common_pb2.JobConfig()
    plain, ours = JobConfig(), private.JobOfInstalledPackages()
    for config, folders in ((plain, ["/here"]), (ours, [])):
        config._py_driver_sys_path.append("/here")  # as Ray does when it connects
        told.ParseFromString(config._serialize())
        assert list(told.py_driver_sys_path) == folders


def test_tune_passes_no_credential_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = sys.modules["ray.tune.execution.class_cache"]
    passed_on = cache.ENV_VARS_TO_PROPAGATE | {"AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET"}
    monkeypatch.setattr(cache, "ENV_VARS_TO_PROPAGATE", passed_on)
    private.keep_credentials_from_runtime_environments()
    assert "RAY_CHDIR_TO_TRIAL_DIR" in passed_on
    assert [name for name in passed_on if name.startswith(("AWS", "AZURE"))] == []


def test_worker_logs_are_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = sys.modules["ray._private.worker"]
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    private.keep_worker_logs_quiet()
    assert worker._worker_logs_enabled is False


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    """Two trials of Tune, of which the first has reported."""
    made = [Trial("any", config={"specs": ["x" * 1000]}, stub=True) for _ in range(2)]
    made[0].update_last_result({"event": "ended", "trials": "y" * 1000, "training_iteration": 1})
    return made


def test_a_forgotten_trial_keeps_nothing_of_what_it_was_given_or_said(trials: list[Trial]) -> None:
    trial, first = trials
    assert "y" * 1000 in str(trial.last_result)
    private.forget_trial(trial, first)
    assert (trial.config, trial.evaluated_params) == ({}, {})
    assert set(trial.last_result) <= {"trial_id"}
    assert trial.placement_group_factory is first.placement_group_factory
    assert "x" * 100 not in str(vars(trial))
    assert "y" * 100 not in str(vars(trial.run_metadata))
    json_state, _ = trial.get_json_state()  # Tune still writes it down
    assert len(json_state) < 5000


def test_the_count_of_failures_starts_again(trials: list[Trial]) -> None:
    trial, _ = trials
    trial.run_metadata.num_failures = 3
    private.restart_count_of_failures(trial)
    assert trial.num_failures == 1
