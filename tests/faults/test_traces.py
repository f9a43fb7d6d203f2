"""What a run on Ray leaves on its machine, and what it takes from the folder it is started in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from faults import OFTEN, RAY, checkpoints
from processes import driver_of, processes_of
from s3 import REGION, only_with_key, s3_server
from study import kill_all, start, sweeper, wait_for

from sweeper.ledger.storage import open_folder
from trainer.files import Folder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

CANARIES = {
    name: f"CANARY-{name}-0123456789"
    for name in (
        "AWS_SECURITY_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_KEY", "HF_TOKEN",
        "WANDB_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GITHUB_TOKEN", "PIP_INDEX_URL",
        "DATABASE_URL", "MY_API_TOKEN", "MY_PASSWORD",
    )
}  # fmt: skip

QUESTION = ("run", "pareto", "--taus", "2,3", "--layers", "16", "--workers", "2")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The machine's temporary folder; short, since the names of sockets are limited."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def environment(temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That of a user who has never used Ray before, and whose secrets are in it."""
    for name in ("RAY_TMPDIR", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    cloud = home / "cloud.json"
    cloud.touch()
    return {
        **CANARIES,
        "TMPDIR": str(temporary),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(cloud),
    }


@pytest.mark.parametrize("where", ["environment", "address"])
def test_no_secret_is_in_any_file_of_a_run(
    where: str,
    environment: dict[str, str],
    temporary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor in how its processes are called. Its workers have the storage's key all the same."""
    with s3_server() as address:
        key, secret = only_with_key(address, "bucket")
        user = f"{key}:{quote(secret, safe='')}@" if where == "address" else ""
        study = f"s3://{user}bucket/s?scheme=http&endpoint_override={address}"
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret} if not user else {}
        for name, value in (REGION | keys).items():
            monkeypatch.setenv(name, value)
        command = (*QUESTION, "--steps", "40000", "--compile", "off", *OFTEN, "--study", study)
        process = start(*command, cwd=tmp_path, **environment)
        folder = open_folder(study)
        try:
            wait_for(lambda: process.poll() is not None or _has_checkpoint(folder))
            titles = processes_of(process.pid)
            for own in (process.pid, driver_of(process.pid)):
                del titles[own]  # called as the user has called it
            (run,) = [path for path in temporary.iterdir() if path.name.startswith("sweeper-")]
            assert stat.S_IMODE(run.stat().st_mode) == 0o700
        finally:
            kill_all(process)
        wait_for(lambda: not processes_of(process.pid), seconds=90)
        secrets = {secret, quote(secret, safe=""), *CANARIES.values()}
        files = dict(_files(temporary, tmp_path))
        assert {"runtime_env_agent.log", "dashboard.log"} <= {path.name for path in files}
        manifest = folder.read("study.json")
        files |= {Path("study.json"): manifest, Path("titles"): repr(titles).encode()}
        assert b"--study" in manifest
        found = {
            (str(path), word) for path, text in files.items() for word in secrets
            if word.encode() in text
        }  # fmt: skip
        assert found == set()


def _has_checkpoint(folder: Folder) -> bool:
    trials = folder.folder("checkpoints")
    return any(
        name.endswith(".safetensors")
        for trial in trials.names()
        for name in trials.folder(trial).names()
    )


def _files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def test_a_run_leaves_nothing_behind_but_its_study_and_removes_what_a_killed_one_left(
    environment: dict[str, str], temporary: Path, tmp_path: Path
) -> None:
    process = start(*RAY, *OFTEN, cwd=tmp_path, **environment)
    wait_for(lambda: checkpoints(tmp_path / "s"))
    assert [path.name[:8] for path in temporary.iterdir()] == ["sweeper-"]
    kill_all(process)
    wait_for(lambda: not processes_of(process.pid), seconds=90)
    (left,) = temporary.iterdir()
    ended = sweeper(*RAY, cwd=tmp_path, **environment)
    assert ended.returncode == 0, ended.stderr
    assert list(temporary.iterdir()) == []
    assert not left.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"home", "s"}
    usual = {".ray", ".config", "cache", "cloud.json"}  # .config is matplotlib's
    assert {path.name for path in (tmp_path / "home").iterdir()} <= usual


def test_the_logs_of_a_run_that_failed_are_kept(
    environment: dict[str, str], temporary: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """A file lies where a trial wants to keep its checkpoints."""
    study = shutil.copytree(undisturbed, tmp_path / "s")
    row = next((study / "trials").iterdir())
    row.unlink()
    (study / "checkpoints" / row.stem).touch()
    ran = sweeper(*RAY, cwd=tmp_path, **environment)
    assert ran.returncode == 1, ran.stderr
    (folder,) = temporary.iterdir()
    logs = folder / "ray" / "session_latest" / "logs"
    assert f"Ray's logs of this run, until the next: {logs}" in ran.stderr
    assert (logs / "raylet.out").exists()


@pytest.mark.parametrize("how", ["address", "home"])
def test_a_run_that_is_refused_leaves_nothing(
    how: str, environment: dict[str, str], temporary: Path, tmp_path: Path
) -> None:
    """By a cluster that is not there, or by a home where Ray's token cannot be kept."""
    if how == "home":
        (tmp_path / "home" / ".ray").touch()
    address = ("--address", "127.0.0.1:1") if how == "address" else ()
    ran = sweeper(*RAY, *address, cwd=tmp_path, **environment)
    assert ran.returncode == 2
    words = {"address": "cannot reach the Ray cluster", "home": "Ray keeps a secret in"}
    assert ran.stderr.startswith(f"error: {words[how]}")
    assert ran.stderr.count("\n") == 1
    assert list(temporary.iterdir()) == []


DECOY = """
import sys
with open({fired!r}, "a") as file:
    print({name!r}, sys.orig_argv, file=file)
"""
DECOYS = (
    "trainer", "analysis", "ray", "torch", "numpy", "pyarrow", "json", "random", "signal",
    "subprocess", "selectors", "typing", "uuid", "aiohttp",
)  # fmt: skip
"""Modules of ours, of others and of Python's that the current folder has too."""

BY_PYTHON = """
from sweeper.options import RunOptions
from sweeper.run.run import run_study
from sweeper.studies.pareto import ParetoOptions, plan
from sweeper.studies.setup import TrainingOptions
from trainer import data
planned = plan(ParetoOptions(taus="2,3"), TrainingOptions(steps=20, layers="16"), data.load)
assert run_study(planned, RunOptions(workers=1)).trained == 2
"""


@pytest.mark.parametrize("how", ["command", "module", "script", "compiled"])
def test_nothing_of_the_current_folder_is_executed(
    how: str, environment: dict[str, str], temporary: Path, tmp_path: Path
) -> None:
    """And nothing is left in the machine's temporary folder, not by the compiler either."""
    here, fired, script = tmp_path / "here", tmp_path / "fired", tmp_path / "script.py"
    here.mkdir()
    for name in (*DECOYS, *(["sweeper"] if how == "command" else [])):
        (here / f"{name}.py").write_text(DECOY.format(fired=str(fired), name=name))
    script.write_text(BY_PYTHON)
    arguments = (*QUESTION, "--steps", "20")
    command = {
        "command": [str(Path(sys.executable).with_name("sweeper")), *arguments],
        "module": [sys.executable, "-m", "sweeper", *arguments],
        "script": [sys.executable, str(script)],
        "compiled": [
            *(sys.executable, "-m", "sweeper", *arguments, "--compile", "on"),
            *("--backend", "local", "--workers", "1"),
        ],
    }[how]
    ran = subprocess.run(
        command, cwd=here, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert not fired.exists(), fired.read_text()
    assert len(list((here / "studies" / "pareto-digits" / "trials").iterdir())) == 2
    assert list(temporary.iterdir()) == []
