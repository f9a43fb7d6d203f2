"""Folders here and elsewhere keep the same promises, and a study can lie in any of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest
from s3 import REGION, s3_server
from study import free_port, here, rows, sweeper

from sweeper.ledger import lock
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.storage import RemoteFolder, open_folder
from trainer.errors import UserError
from trainer.files import Folder
from trainer.local_folder import LocalFolder

S3 = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "secret",
    **REGION,
}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server that speaks S3's protocol, in a process of its own; returns its URI."""
    os.environ.update(S3)  # which the processes that are started here inherit
    try:
        with s3_server() as address:
            options = f"scheme=http&endpoint_override={address}"
            root, _ = pafs.FileSystem.from_uri(f"s3://bucket?{options}&allow_bucket_creation=true")
            root.create_dir("bucket")
            yield f"s3://bucket/studies?{options}"
    finally:
        for name in S3:
            del os.environ[name]


@pytest.fixture(params=["local", "moved", pytest.param("s3", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder: here; on storage where files are moved into place; on S3."""
    if request.param == "local":
        return LocalFolder(tmp_path / "study")
    if request.param == "moved":
        system = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
        return RemoteFolder(system, "study", "subtree://study")
    return open_folder(request.getfixturevalue("bucket")).folder(tmp_path.name)


def test_a_file_is_what_was_written_last(folder: Folder) -> None:
    assert folder.names() == []
    assert not folder.has("file")
    with pytest.raises(FileNotFoundError):
        folder.read("file")
    before = time.time()
    for content in (b"a first time, and longer", b"again", b""):
        folder.write("file", content)
        assert folder.read("file") == content
    assert folder.names() == ["file"]
    assert before - 2 <= folder.modified("file") <= time.time() + 2
    folder.remove("file")
    folder.remove("file")
    assert not folder.has("file")


def test_folders_in_folders_come_and_go(folder: Folder) -> None:
    inner = folder.folder("inner")
    inner.write("one", b"1")
    inner.folder("deep").write("two", b"2")
    assert folder.names() == ["inner"]
    assert inner.names() == ["deep", "one"]
    assert inner.folder("deep").read("two") == b"2"
    inner.clear()
    inner.clear()
    assert folder.names() == []
    assert inner.name == "inner"
    assert inner.at("x").replace("?", "/?").split("/?")[0].endswith("inner/x")


@pytest.mark.parametrize("name", ["", ".", "..", "../file", "inner/file", "/file", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(folder: Folder, name: str) -> None:
    folder.write("file", b"1")
    folder.folder("inner").write("file", b"2")
    for method in (folder.folder, folder.has, folder.read, folder.modified, folder.remove):
        with pytest.raises(ValueError, match="is not the name of a file in a folder"):
            method(name)
    with pytest.raises(ValueError, match="is not the name of a file in a folder"):
        folder.write(name, b"3")
    assert folder.read("file") == b"1"
    assert folder.folder("inner").read("file") == b"2"


def test_only_one_at_a_time_holds_a_folder(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.3)
    assert lock.holder(folder) is None
    with lock.held(folder):
        assert str(os.getpid()) in str(lock.holder(folder))
        with pytest.raises(UserError, match=f"in use by process {os.getpid()}"), lock.held(folder):
            pass
    assert lock.holder(folder) is None
    with lock.held(folder):
        pass


@pytest.fixture
def elsewhere(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.3)
    return open_folder(bucket).folder(tmp_path.name)


@pytest.mark.slow
def test_a_lease_that_nobody_renews_is_taken_over(
    elsewhere: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 2.0)
    elsewhere.write("lock", json.dumps({"holder": "process 1 on gone", "token": "x"}).encode())
    with lock.held(elsewhere):
        # not `holder`, which compares clocks: S3's has a resolution of a second
        assert f"process {os.getpid()} on" in elsewhere.read("lock").decode()


@pytest.mark.slow
def test_a_second_run_is_refused_on_storage_without_locks(elsewhere: Folder) -> None:
    """Two at the same moment: at most one gets it, and the other is told by whom it is held."""
    outcomes: list[str] = []
    done = threading.Event()

    def come() -> None:
        try:
            with lock.held(elsewhere):
                outcomes.append("held")
                done.wait(60)
        except UserError as error:
            outcomes.append(str(error))
            done.set()

    both = [threading.Thread(target=come) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert outcomes.count("held") == 1
    assert "in use by process" in next(outcome for outcome in outcomes if outcome != "held")


def test_storage_of_no_known_kind_is_refused() -> None:
    with pytest.raises(UserError, match="cannot open the storage nowhere://x"):
        open_folder("nowhere://x")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://", "names no bucket; name one, as s3://bucket/study"),
        ("gs://", "names no bucket; name one, as gs://bucket/study"),
        ("mock://x", "forgets all"),
        ("s3://b/x?nonsense=1", "Unexpected query parameter"),
        ("://x", "Cannot parse URI"),
        ("file://host/x", "Unsupported hostname"),
        ("s3://key:sec/ret@bucket/x", "Cannot parse URI"),
    ],
)
def test_storage_that_cannot_hold_a_study_is_refused(place: str, words: str) -> None:
    with pytest.raises(UserError) as refusal:
        open_folder(place)
    message = str(refusal.value)
    assert words in message
    assert "ret@" not in message
    assert "\n" not in message


@pytest.mark.slow
def test_google_s_storage_that_does_not_answer_is_told_of_soon(tmp_path: Path) -> None:
    place = f"gs://anonymous@bucket/x?scheme=http&endpoint_override=127.0.0.1:{free_port()}"
    began = time.monotonic()
    ran = sweeper("status", place, cwd=tmp_path)
    assert time.monotonic() - began < 15
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: cannot open the storage gs://")
    assert ran.stderr.count("\n") == 1


def test_what_pyarrow_refuses_in_its_own_way_is_an_os_error() -> None:
    system = pafs.S3FileSystem(region="nowhere", anonymous=True)
    with pytest.raises(OSError, match="Path cannot start with a separator"):
        RemoteFolder(system, "", "s3://").has("x")


@pytest.mark.slow
def test_a_study_on_s3_goes_on_where_it_was(bucket: str, tmp_path: Path) -> None:
    """Run, widened, run again, told about and reported, all on S3, as it is on a disk."""
    common = ("--steps", "60", "--layers", "16", "--backend", "local")
    place, question, options = bucket.partition("?")
    there = f"{place}/{tmp_path.name}{question}{options}"

    def run(taus: str, study: str) -> Any:
        return here(
            "run", "pareto", "--taus", taus, *common, "--study", study, "--json", cwd=tmp_path
        )

    first, wider, again = run("2", there), run("2,3", there), run("2,3", there)
    for done, trained in ((first, 1), (wider, 1), (again, 0)):
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["run"]["trained"] == trained
    local = run("2,3", "here")
    assert local.returncode == 0
    ledger = Ledger(there)
    assert rows(there) == rows(tmp_path / "here")
    assert ledger.checkpoints.names() == []
    assert {"report.html", "trials.csv", "front.svg"} <= set(ledger.report.names())
    status = here("status", there, cwd=tmp_path)
    assert "2 of 2 trials done" in status.stdout
    report = here("report", there, cwd=tmp_path)
    assert report.stdout.startswith(f"{place}/{tmp_path.name}/report/report.html")
