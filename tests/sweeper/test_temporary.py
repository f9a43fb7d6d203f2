"""A run's temporary folder: whose it is, and which of them the next run removes."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sweeper.backends.ray import temporary
from sweeper.backends.ray.temporary import (
    LOCK,
    LONGEST_SOCKET,
    SOCKET_BYTES,
    TemporaryFolder,
    base_folder,
    remove_left_over,
)
from trainer.errors import UserError

LIVING = """
import signal, sys
from pathlib import Path
from sweeper.backends.ray.temporary import TemporaryFolder
folder = TemporaryFolder(Path(sys.argv[1]))
(folder.scratch / "file").write_text("in use")
print(folder.path, flush=True)
signal.pause()
"""

WRITING = """
import itertools, sys, time
from pathlib import Path
print(flush=True)
end = time.monotonic() + 0.5
for number in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
    Path(sys.argv[1], str(number)).touch()
"""


def test_nobody_else_can_look_into_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = TemporaryFolder(tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    folder.close(keep=False)
    assert list((tmp_path / "new").iterdir()) == []


def test_it_is_removed_though_a_process_still_writes_into_it(tmp_path: Path) -> None:
    """As Ray's do that are ending; with one look only, what they wrote last would stay."""
    folder = TemporaryFolder(tmp_path)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(folder.scratch)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it ends where it finds no folder any more
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    folder.close(keep=False)
    writer.communicate(timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_living_run_stays_and_that_of_a_killed_one_is_removed(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", LIVING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip())
    remove_left_over(tmp_path)
    assert (folder / "tmp" / "file").read_text() == "in use"
    run.send_signal(signal.SIGKILL)
    run.communicate()
    remove_left_over(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_is_there_until_the_next_run(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path)
    folder.close(keep=True)
    assert folder.scratch.is_dir()
    remove_left_over(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_never_locked_is_removed_if_it_is_empty(tmp_path: Path) -> None:
    empty, other = tmp_path / "sweeper-abcdefgh", tmp_path / "sweeper-thoughts"
    empty.mkdir()
    other.mkdir()
    (other / "notes").write_text("mine")
    remove_left_over(tmp_path)
    assert not empty.exists()
    assert (other / "notes").read_text() == "mine"


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither one in place of the folder, nor of its lock, nor one in it."""
    base, precious = tmp_path / "base", tmp_path / "precious"
    for folder in (base / "sweeper-aaaaaaaa", base / "sweeper-bbbbbbbb", precious):
        folder.mkdir(parents=True)
        (folder / "file").write_text("precious")
    (precious / LOCK).touch()
    (base / "sweeper-linked00").symlink_to(precious)
    (base / "sweeper-aaaaaaaa" / LOCK).symlink_to(precious / LOCK)
    (base / "sweeper-bbbbbbbb" / LOCK).touch()
    (base / "sweeper-bbbbbbbb" / "link").symlink_to(precious)
    remove_left_over(base)
    assert {path.name for path in base.iterdir()} == {"sweeper-linked00", "sweeper-aaaaaaaa"}
    assert {path.name for path in precious.iterdir()} == {"file", LOCK}


def test_other_files_of_these_names_stay_and_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "sweeper-aaaaaaaa").write_text("a file")
    os.mkfifo(tmp_path / "sweeper-bbbbbbbb")
    odd = tmp_path / "sweeper-cccccccc"
    (odd / LOCK).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    remove_left_over(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    remove_left_over(tmp_path / "nowhere")


def test_those_of_another_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TemporaryFolder(tmp_path)
    folder.close(keep=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_left_over(tmp_path)
    assert folder.scratch.is_dir()


def test_a_run_whose_folder_was_taken_for_left_over_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making it and locking it, another run comes by."""
    make, made = tempfile.mkdtemp, []

    def mkdtemp(**how: object) -> str:
        made.append(make(**how))  # type: ignore[call-overload]
        if len(made) == 1:
            remove_left_over(tmp_path)
        return str(made[-1])

    monkeypatch.setattr(temporary.tempfile, "mkdtemp", mkdtemp)
    folder = TemporaryFolder(tmp_path)
    assert len(made) == 2
    assert [str(path) for path in tmp_path.iterdir()] == [str(folder.path)] == made[1:]
    with (folder.path / LOCK).open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder.close(keep=False)


def test_it_is_where_ray_s_sockets_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    longest = "/sweeper-12345678" + LONGEST_SOCKET.format(pid=os.getpid())
    room = SOCKET_BYTES - len(longest)
    for length, used in ((room, True), (room + 1, False)):
        place = "/" + "x" * (length - 1)
        monkeypatch.setattr(tempfile, "tempdir", place)
        assert (str(base_folder()) == place) is used
        assert str(base_folder()) in (place, "/tmp")
        monkeypatch.setenv("RAY_TMPDIR", "/" + "y" * (length - 1))
        if used:
            assert str(base_folder()) == "/" + "y" * (length - 1)
        else:
            with pytest.raises(UserError, match=r"RAY_TMPDIR is /y+, .* shorter path"):
                base_folder()
        monkeypatch.delenv("RAY_TMPDIR")
