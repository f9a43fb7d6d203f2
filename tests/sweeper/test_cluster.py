"""Studies on a real Ray cluster of three nodes, whatever is killed.

The tests that share the cluster run in this order: each takes what the one before has left of it.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import study
import torch
from cluster import RAY, Cluster, Node
from s3 import only_with_key, s3_server
from study import starts_ray, sweeper, wait_for

from sweeper.backends.ray.cluster import find_head, node_problem
from sweeper.ledger.ledger import Ledger
from sweeper.messages import Job
from sweeper.options import RunOptions
from sweeper.status import read_status
from trainer import data
from trainer.data.base import content_sha256
from trainer.data.cache.by_content import content_folder
from trainer.data.cache.note import earlier_conversion
from trainer.errors import UserError
from trainer.files import cache_folder
from trainer.local_folder import LocalFolder
from trainer.training.checkpoint import Checkpoint, CheckpointFolder

RUN = ("run", "pareto", "--taus", "2,3", "--steps", "400", "--layers", "16", "--study", "s")
"""The study `finished`, elsewhere."""
JOIN = ("--address", "auto", "--checkpoint-seconds", "0")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made.start(workers=2)
    finally:
        made.stop()


@starts_ray
def test_a_submitted_study_brings_its_data_to_the_nodes(cluster: Cluster, tmp_path: Path) -> None:
    """Only the head has them, converted, in its cache; there is no internet."""
    at_head, sha256 = _keep_as_mnist(cluster.head)
    command = (
        *("run", "pareto", "--dataset", "mnist", "--taus", "5,6", "--steps", "50"),
        *("--architecture", "dense", "--layers", "16"),
        *("--address", "auto", "--study", str(tmp_path / "s")),
    )
    submitted = subprocess.run(
        [*RAY, "job", "submit", "--", sys.executable, "-m", "sweeper", *command],
        env=cluster.environment(cluster.head),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "2 trials trained" in submitted.stdout
    assert {row["dataset_sha256"] for row in study.rows(tmp_path / "s")} == {sha256}
    copies = [node.home / at_head.relative_to(cluster.head.home) for node in cluster.workers]
    made = [copy for copy in copies if copy.parent.exists()]  # a node may have had no trial
    assert made
    for copy in made:
        assert {path.name for path in copy.iterdir()} == {"meta.json", "train.npy", "test.npy"}
        assert (copy / "train.npy").read_bytes() == (at_head / "train.npy").read_bytes()


@starts_ray
def test_the_key_to_the_study_s_storage_reaches_nodes_and_no_log(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Only the machine on which the run is started has it."""
    with s3_server() as address:
        key, secret = only_with_key(address, "bucket")
        place = f"s3://bucket/s?scheme=http&region=us-east-1&endpoint_override={address}"
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        here = {**cluster.environment(cluster.head), **keys}
        ran = sweeper(*RUN[:-2], *JOIN, "--study", place, cwd=tmp_path, **here)
    assert ran.returncode == 0, ran.stderr
    assert "2 trials trained" in ran.stdout
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    assert "runtime_env_agent.log" in {path.name for path in files}
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


@starts_ray
def test_another_token_is_refused_at_once(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    stranger = {**cluster.environment(cluster.head), "HOME": str(tmp_path)}
    ran = sweeper(*RUN, *JOIN, cwd=tmp_path, **stranger)
    assert ran.returncode == 2
    assert "it asks for another token" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "s" / "study.json").exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://127.0.0.1:10001", "use `ray job submit`"),
        ("http://127.0.0.1:8265", "use `ray job submit`"),
        ("nowhere", "Invalid address"),
        ("127.0.0.1:1", "nobody answers"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_head(address)


@pytest.mark.parametrize("lacking", ["study", "other study", "data"])
def test_a_node_without_the_shared_storage_names_what_is_missing(
    finished: Path, tmp_path: Path, lacking: str
) -> None:
    """As it runs on a node: those of these tests see all files of this machine."""
    runs = Ledger(finished).manifest().runs
    folder = tmp_path if lacking == "study" else finished
    assert node_problem((_job(finished, data_dir=tmp_path), {}), runs) == ""
    if lacking == "data":
        nowhere = _job(finished, data_dir=Path("/nowhere"))
        assert "does not see the data" in node_problem((nowhere, {}), runs)
    else:
        runs = [] if lacking == "other study" else runs
        problem = node_problem((_job(folder, data_dir=tmp_path), {}), runs)
        assert "does not see the study's folder" in problem


@starts_ray
def test_a_trial_goes_on_elsewhere_when_its_node_is_lost(
    cluster: Cluster, finished: Path, tmp_path: Path
) -> None:
    """The answer stays one JSON object: Ray would print its own view of the loss into it."""
    process = cluster.sweeper(*RUN, *JOIN, "--json", cwd=tmp_path)
    training = lambda: _node_with_a_checkpoint(cluster, tmp_path / "s", finished)  # noqa: E731
    node, trial_id, saved = wait_for(training)
    node.kill_raylet()
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["run"]["trained"] == 2
    assert study.contents(tmp_path / "s") == study.contents(finished)
    ledger = Ledger(tmp_path / "s")
    attempts = {row["trial_id"]: row["attempts"] for row in ledger.rows().to_pylist()}
    assert attempts.pop(trial_id) == 2
    assert list(attempts.values()) == [1]
    # Times differ from one training to another: these are those of the training that was lost.
    seconds = ledger.curve(trial_id).column("seconds").to_pylist()
    assert seconds[: len(saved.curve)] == [point.seconds for point in saved.curve]


@starts_ray
def test_a_run_without_nodes_says_that_it_waits_and_can_be_stopped(
    cluster: Cluster, finished: Path, tmp_path: Path
) -> None:
    command = (*RUN, *JOIN)
    process = cluster.sweeper(*command, cwd=tmp_path)
    try:
        wait_for(lambda: _node_with_a_checkpoint(cluster, tmp_path / "s", finished))
        for node in cluster.workers:
            node.kill()
        said = _until(process, "no trial has had a worker for 30 s; the run waits")
        assert "goes on from where it was" in said
        told = read_status(Ledger(tmp_path / "s"))
        assert (len(told.running), len(told.lost) > 0, told.waiting) == (0, True, 2)
    finally:
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    cluster.add(1)
    process = cluster.sweeper(*command, cwd=tmp_path)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    assert study.contents(tmp_path / "s") == study.contents(finished)


@starts_ray
def test_a_run_whose_head_dies_ends_and_goes_on_in_another_cluster(
    cluster: Cluster, finished: Path, tmp_path: Path
) -> None:
    command = (*RUN, *JOIN)
    process = cluster.sweeper(*command, cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("s/checkpoints/*/*.safetensors")))
    cluster.head.kill()
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == 130, stderr
    assert re.search(r"interrupted, with .* gone: .*run the same command again", stderr)
    assert json.loads((tmp_path / "s" / "study.json").read_text())["runs"][-1]["outcome"] == (
        "interrupted"
    )
    another = Cluster(has_dashboard=False)
    try:
        process = another.start(workers=1).sweeper(*command, cwd=tmp_path)
        _, stderr = process.communicate(timeout=180)
    finally:
        another.stop()
    assert process.returncode == 0, stderr
    assert study.contents(tmp_path / "s") == study.contents(finished)


def _job(folder: Path, data_dir: Path) -> Job:
    options = RunOptions(data_dir=data_dir)
    return Job(study="pareto", folder=str(folder), datasets={}, options=options)


def _until(process: subprocess.Popen[str], words: str) -> str:
    """Read what a run says, up to a line with these words; a run that does not say it is killed."""
    said = ""
    assert process.stderr
    too_late = threading.Timer(180, process.kill)
    too_late.start()
    try:
        for line in process.stderr:
            said += line
            if words in line:
                return said
    finally:
        too_late.cancel()
    raise AssertionError(said)


def _node_with_a_checkpoint(
    cluster: Cluster, folder: Path, finished: Path
) -> tuple[Node, str, Checkpoint] | None:
    """Find a node in the middle of a trial, the trial, and its newest checkpoint."""
    ids = {f"τ={row['tau']:g}": row["trial_id"] for row in study.rows(finished)}
    for node in cluster.workers:
        for title in node.processes().values():
            if trained := re.match(r"ray::pareto digits (τ=\S+)", title):
                trial_id = ids[trained[1]]
                place = CheckpointFolder(LocalFolder(folder / "checkpoints" / trial_id), trial_id)
                if saved := place.latest(torch.device("cpu")):
                    return node, trial_id, saved
    return None


def _keep_as_mnist(node: Node) -> tuple[Path, str]:
    """Put an earlier version's conversion of this name into a node's cache.

    Returns:
        The folder that it will be moved to, and its hash.
    """
    row = data.DATASETS.find("mnist")
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 28, 28), dtype=np.uint8)
    train, test = images[:200], images[200:]
    cache = node.home / "cache"
    folder = cache / earlier_conversion(row).relative_to(cache_folder().parent)
    folder.mkdir(parents=True)
    np.save(folder / "train.npy", train)
    np.save(folder / "test.npy", test)
    meta = {
        "levels": row.levels,
        "train_shape": train.shape,
        "test_shape": test.shape,
        "sha256": content_sha256(train, test, row.levels),
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    sha256 = str(meta["sha256"])
    return cache / content_folder(sha256).relative_to(cache_folder().parent), sha256
