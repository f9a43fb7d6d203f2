"""What a study folder, an archive or the network could do to whoever runs a sweep: nothing."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import ipaddress
import os
import pickle
import re
import shutil
import signal
import stat
import struct
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study import start, starts_ray, wait_for

from analysis import StudyData
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.unfinished import read_unfinished
from trainer.data.official.archive import read_members
from trainer.errors import UserError
from trainer.local_folder import LocalFolder
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.export import load_model

ROOT = Path(__file__).parent.parent
SOURCES = [
    path for name in ("trainer", "sweeper", "analysis") for path in (ROOT / name).rglob("*.py")
]
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & UNPICKLERS
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in UNPICKLERS
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"torch.load", "eval", "exec"}
            assert not called.endswith("read_pickle")
            for keyword in node.keywords:  # numpy's own default is False
                if keyword.arg == "allow_pickle":
                    assert ast.unparse(keyword.value) == "False"


def test_there_are_sources_to_read() -> None:
    assert len(SOURCES) > 80


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def fired(tmp_path: Path) -> Iterator[Path]:
    """The file that a canary of this test would write."""
    yield tmp_path / "fired"
    assert not (tmp_path / "fired").exists()


def test_the_pickle_canary_fires_when_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Canary(tmp_path / "fired")))
    assert (tmp_path / "fired").exists()


@pytest.mark.parametrize(
    "write", [pickle.dump, torch.save, np.save], ids=["pickle", "torch", "numpy"]
)
def test_a_pickle_among_a_trial_s_checkpoints_is_passed_over(write: Any, fired: Path) -> None:
    trial_id = "a" * 16
    folder = fired.parent / trial_id
    folder.mkdir()
    content = _written(write, fired)
    digest = hashlib.sha256(content).hexdigest()[:16]
    (folder / f"{100:012d}-{digest}.safetensors").write_bytes(content)
    assert CheckpointFolder(LocalFolder(folder), trial_id).latest(torch.device("cpu")) is None
    (folder / "attempt.json").write_text('{"number": 1, "started_at": "2026-01-01T00:00:00+00:00"}')
    checkpoints = fired.parent / "study" / "checkpoints"
    checkpoints.mkdir(parents=True)
    folder.rename(checkpoints / trial_id)
    assert [saved.point for saved in read_unfinished(Ledger(fired.parent / "study"))] == [None]


@pytest.mark.parametrize(
    "write", [pickle.dump, torch.save, np.save], ids=["pickle", "torch", "numpy"]
)
def test_a_pickle_in_place_of_a_model_is_refused(write: Any, fired: Path) -> None:
    path = fired.parent / "model.safetensors"
    path.write_bytes(_written(write, fired))
    with pytest.raises(UserError, match="is not a model of this program"):
        load_model(path)


def test_a_pickle_in_place_of_a_study_s_file_is_never_loaded(finished: Path, fired: Path) -> None:
    """In each file of the study in turn; whatever is said of it, nothing is executed."""
    names = [str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()]
    kept = [name for name in names if not name.startswith("report/")]
    assert len(kept) >= 5
    for name in kept:
        for write in (pickle.dump, torch.save, np.save, np.savez):
            folder = Path(shutil.copytree(finished, fired.parent / "s", dirs_exist_ok=True))
            (folder / name).write_bytes(_written(write, fired))
            ledger = Ledger(folder)
            with contextlib.suppress(UserError):
                StudyData.read(ledger)
                for trial_id in ledger.finished():
                    ledger.curve(trial_id)
                    ledger.sample(trial_id)
            assert not fired.exists()


def _written(write: Any, fired: Path) -> bytes:
    """Return what one of the ways to write an object makes of a canary."""
    buffer = io.BytesIO()
    canary = (
        np.array([Canary(fired)], dtype=object) if write.__module__ == "numpy" else Canary(fired)
    )
    order = (buffer, canary) if write.__module__ == "numpy" else (canary, buffer)
    write(*order)
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(b"evil") if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("../outside"),
        _member("data/../../outside"),
        _member("{root}/outside"),
        _member("data/link", tarfile.SYMTYPE, "{root}"),
        _member("data/file", tarfile.SYMTYPE, "{root}/secret"),
        _member("data/file", tarfile.LNKTYPE, "{root}/secret"),
        _member("data/file", tarfile.CHRTYPE),
        _member("data/file", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_an_archive_reaches_nothing_outside_it(member: tarfile.TarInfo, tmp_path: Path) -> None:
    """Whatever it names; archives are read into memory, and only their regular files are."""
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    member.name = member.name.format(root=tmp_path)
    member.linkname = member.linkname.format(root=tmp_path)
    path = inside / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(b"evil"))
        archive.addfile(_member("data/link/through"), io.BytesIO(b"evil"))
        archive.addfile(_member("data/good"), io.BytesIO(b"evil"))
    before = sorted(tmp_path.rglob("*"))
    read = dict(read_members(path, lambda name: True))
    assert sorted(tmp_path.rglob("*")) == before
    assert read["data/good"] == b"evil"
    assert b"secret" not in read.values()
    assert dict(read_members(path, {"data/file"}.__contains__)) == {}


@dataclass(frozen=True)
class Sweep:
    """A sweep under way."""

    process: int
    home: Path
    dashboard: str


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """A sweep of a user who has never used Ray before, as nothing but the command sets it up."""
    cwd, home = tmp_path_factory.mktemp("sweep"), tmp_path_factory.mktemp("home")
    ray_folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: the names of sockets are limited
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            patch.delenv(name)
        process = start(
            "run", "pareto", "--taus", "2,3", "--steps", "100000", "--workers", "2",
            "--layers", "16", "--compile", "off",
            cwd=cwd, HOME=str(home), RAY_TMPDIR=str(ray_folder),
        )  # fmt: skip
    try:
        ledger = Ledger(cwd / "studies" / "pareto-digits")
        wait_for(lambda: process.poll() is not None or len(read_unfinished(ledger)) == 2)
        assert process.stderr is not None
        (dashboard,) = re.findall(r"Ray dashboard: (\S+)", process.stderr.readline())
        yield Sweep(process.pid, home, dashboard)
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        shutil.rmtree(ray_folder)
    assert process.returncode == 130, stderr


def _answer(url: str, token: str | None = None) -> int:
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@starts_ray
@pytest.mark.parametrize("path", ["/nodes?view=summary", "/api/jobs/", "/api/v0/actors"])
def test_the_dashboard_of_a_sweep_asks_for_the_token(sweep: Sweep, path: str) -> None:
    token = (sweep.home / ".ray" / "auth_token").read_text()
    assert _answer(sweep.dashboard + path) == 401
    assert _answer(sweep.dashboard + path, "0" * len(token)) == 403
    assert _answer(sweep.dashboard + path, token) == 200


@starts_ray
def test_the_token_is_for_its_user_alone(sweep: Sweep) -> None:
    mode = (sweep.home / ".ray" / "auth_token").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


@starts_ray
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_listens_but_for_this_machine(sweep: Sweep) -> None:
    listening = _listening(sweep.process)
    programs = {program for program, _ in listening}
    assert {"gcs_server", "raylet"} <= programs
    assert len(listening) >= 8
    public = [(program, host) for program, host in listening if not _is_loopback(host)]
    assert public == []


def _is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _listening(session: int) -> list[tuple[str, str]]:
    """List program and address of all TCP sockets on which a session's processes listen."""
    addresses = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN
                addresses[f"socket:[{fields[9]}]"] = _address(fields[1].partition(":")[0])
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if process.name.isdecimal() and os.getsid(int(process.name)) == session:
                program = (process / "comm").read_text().strip()
                links = {str(link.readlink()) for link in (process / "fd").iterdir()}
                found += [(program, addresses[link]) for link in links & addresses.keys()]
    return found


def _address(digits: str) -> str:
    """Read an address as the kernel prints it: words of 32 bits, each in the machine's order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return str(ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words)))
