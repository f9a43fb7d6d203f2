"""What a run needs to know of the Ray cluster that it joins, before its trials are sent there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeper.backends.ray.credentials import Credentials, use_credentials
from sweeper.backends.ray.liveness import Endpoint
from sweeper.backends.ray.private import (
    TokenRefusedError,
    canonicalize_bootstrap_address,
    head_answers,
)
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import RunEntry
from sweeper.messages import Job
from trainer import data
from trainer.data.cache.bundle import Chunk, chunks, unpack
from trainer.data.cache.by_content import is_stored
from trainer.data.official.sources import locate
from trainer.errors import UserError
from trainer.spec import TrialSpec
from trainer.step.compiled import check_compiler

HEAD_SECONDS = 10.0
NODE_SECONDS = 120.0
"""How long a node may take to start its first worker, which imports this package."""

HEAD_PATIENCE = 20.0
"""Seconds. The network may fail for a moment; Ray itself would end the process after a minute."""
RAYLET_PATIENCE = 4.0
"""Seconds. Once dead it never comes back; Ray would have the run wait for ever."""

NO_TOKEN = (
    "it asks for another token than this machine has; copy ~/.ray/auth_token from its head, and "
    "set RAY_AUTH_MODE=token"
)


def find_head(address: str) -> str:
    """Return the host and port of a cluster's head, once it has answered.

    Ray itself would try for minutes.

    Args:
        address: as in `--address`; `auto` is `$RAY_ADDRESS`, or the cluster of this machine.

    Raises:
        UserError: if there is no cluster, it does not answer, or it does not want us.
    """
    if "://" in address:
        raise UserError(
            f"--address {address}: only clusters that this machine is a node of can be joined, by "
            "auto or host:port; from elsewhere, use `ray job submit`"
        )
    try:
        head = canonicalize_bootstrap_address(address)
    except (OSError, ValueError) as error:
        raise _unreachable(address, str(error)) from error
    if head is None:
        raise _unreachable(address, "no Ray is running on this machine")
    try:
        answers = head_answers(head, HEAD_SECONDS)
    except TokenRefusedError as error:
        raise _unreachable(address, NO_TOKEN) from error
    if not answers:
        raise _unreachable(address, f"nobody answers at {head}")
    return str(head)


def _unreachable(address: str, reason: str) -> UserError:
    return UserError(f"cannot reach the Ray cluster at {address!r}: {reason}")


def endpoints() -> list[Endpoint]:
    """Return what a run depends on: the head, and Ray's process on this machine."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    own = context.get_node_id()
    (node,) = [node for node in _nodes() if node["NodeID"] == own]
    here = node["NodeManagerAddress"], node["NodeManagerPort"]
    return [
        Endpoint("the head of the Ray cluster", host.strip("[]"), int(port), HEAD_PATIENCE),
        Endpoint("Ray on this machine", *here, RAYLET_PATIENCE),
    ]


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def check_nodes(job: Job, credentials: Credentials) -> None:
    """Refuse a cluster on which trials would fail, or write where nobody looks.

    Args:
        job: what is to be trained.
        credentials: of its storage.

    Raises:
        UserError: if a node cannot train, or does not see the study's folder or the data.
    """
    runs = Ledger(job.folder).manifest().runs
    look = ray.remote(num_cpus=0)(node_problem)
    known, asked = ray.put((job, credentials)), {}
    for node in _nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[look.options(scheduling_strategy=there).remote(known, runs)] = node
    for answer, node in asked.items():
        name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        try:
            missing = ray.get(answer, timeout=NODE_SECONDS)
        except RayTaskError as error:
            missing = f"cannot run this package: {str(error).strip().splitlines()[-1]}"
        except GetTimeoutError:
            missing = f"has not answered for {NODE_SECONDS:.0f} s; check `ray status`"
        except RayError:
            continue  # it has gone meanwhile, and will train nothing
        if missing:
            raise UserError(f"{name} {missing}")


Bundle = list["ray.ObjectRef[Chunk]"]
"""A data set in Ray's object store; each node that needs it fetches its chunks once."""


def send_data(job: Job) -> dict[str, Bundle]:
    """Put the data into the object store that nodes do not find in the job's `data_dir`.

    The package's own small and drawn data sets, which are stored nowhere, need nothing.

    Returns:
        What was put there, by the hash of its content.
    """
    return {
        sha256: [ray.put(chunk) for chunk in chunks(sha256)]
        for name, sha256 in job.datasets.items()
        if is_stored(sha256) and not _is_shared(name, job)
    }


def _is_shared(name: str, job: Job) -> bool:
    row, base = data.DATASETS.get(name), job.options.data_dir
    if base is None or row is None or not row.files:
        return False
    return all(locate(file, [base / name, base]) for file in row.files)


def receive_data(spec: TrialSpec, job: Job, bundles: Mapping[str, Bundle]) -> None:
    """Provide a node with a trial's data if it lacks them; the other workers there wait for it."""
    sha256 = spec.dataset_sha256
    if sha256 not in bundles:
        return
    try:
        data.open_content(sha256, spec.dataset, job.options.data_dir)
    except UserError:  # it has none, or other content under this name
        unpack(sha256, (ray.get(chunk) for chunk in bundles[sha256]))


def node_problem(known: tuple[Job, Credentials], runs: Sequence[RunEntry]) -> str:
    """Return, on a node, what is missing there; nothing if it can train.

    Args:
        known: what is to be trained, and the credentials of its storage.
        runs: the study's runs, as the machine sees them that started the last one.
    """
    job, credentials = known
    use_credentials(credentials)
    ledger = Ledger(job.folder)
    if not ledger.exists or ledger.manifest().runs != runs:
        return (
            f"does not see the study's folder {job.folder}; name one with --study that lies on "
            "storage which all nodes share, under the same path"
        )
    data_dir = job.options.data_dir
    if data_dir is not None and not data_dir.is_dir():
        return (
            f"does not see the data in {data_dir}; name a --data-dir on storage which all nodes "
            "share, or none, and the data are sent to the nodes"
        )
    if job.options.compile:
        try:
            check_compiler()
        except UserError as error:
            return f"has no use for --compile on: {error}"
    return ""
