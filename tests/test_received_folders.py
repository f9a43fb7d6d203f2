"""A study's folder is data, also one that somebody sent: nothing in it leads outside, or blocks."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from study import here

from trainer.data.cache.bundle import chunks, unpack
from trainer.data.cache.by_content import content_folder, is_stored, open_stored, store_labels
from trainer.data.cache.convert import convert
from trainer.data.cache.stream import as_stream
from trainer.data.labels import Labels
from trainer.local_folder import LocalFolder, WrongKindError

FOLDERS = ("trials", "curves", "models", "samples", "checkpoints", "report", "damaged")
FILES = (
    "lock",
    "study.json",
    "trials/*",
    "curves/*",
    "models/*",
    "samples/*",
    "report/report.html",
)
RUN = ("run", "pareto", "--taus", "2,3", "--steps", "400", "--layers", "16", "--backend", "local")
COMMANDS = {
    "status": ("status", "s"),
    "list": ("list", "."),
    "report": ("report", "s"),
    "run": (*RUN, "--study", "s"),
    "widen": (*RUN[:3], "2,3,4", *RUN[4:], "--study", "s"),
}
NEEDED = {
    "status": {"lock", "study.json", "trials", "trials/*", "checkpoints"},
    "list": {"lock", "study.json", "trials", "trials/*", "checkpoints"},
    "report": {"study.json", "trials", "trials/*", "report", "report/report.html"},
}
"""What the commands that train nothing cannot do without, or would write to."""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder of decoys beside the study, each with the name of something of a study."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("precious", "report.html", "stop-now", ".x.part", "trials.csv"):
        (outside / name).write_text("precious")
    (outside / "cafe0123cafe0123").mkdir()
    (outside / "cafe0123cafe0123" / "precious").write_text("precious")
    before = _contents(outside)
    yield outside
    assert _contents(outside) == before


@pytest.fixture
def study(finished: Path, outside: Path) -> Path:
    folder = shutil.copytree(finished, outside.parent / "s")
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "damaged").mkdir(exist_ok=True)
    (folder / "lock").touch()
    return folder


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Interrupt what waits for ever."""

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _contents(folder: Path) -> dict[str, bytes | int]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else path.stat().st_mode
        for path in folder.rglob("*")
    }


def _link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "precious")


def _dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "new")


def _folder_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path, outside: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)
    os.chdir(here)


def _folder(path: Path, outside: Path) -> None:
    path.mkdir()


def _file(path: Path, outside: Path) -> None:
    path.write_text("x")


INSTEAD_OF_FILE = (_link, _dangling, _folder_link, _fifo, _socket, _folder)
INSTEAD_OF_FOLDER = (_link, _dangling, _folder_link, _fifo, _file)


def _replace(study: Path, what: str, by: Callable[[Path, Path], None], outside: Path) -> Path:
    path = next(study.glob(what))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    by(path, outside)
    return path


CASES = [
    *((what, by) for what in FILES for by in INSTEAD_OF_FILE),
    *((what, by) for what in FOLDERS for by in INSTEAD_OF_FOLDER),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("what", "by"),
    CASES,
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_no_file_of_a_study_is_named_and_left_alone(
    what: str, by: Callable[[Path, Path], None], command: str, study: Path, outside: Path
) -> None:
    path = _replace(study, what, by, outside)
    ran = here(*COMMANDS[command], cwd=study.parent)
    said = ran.stdout + ran.stderr
    named = f"{path.relative_to(study.parent)} is a" in said
    assert "Traceback" not in said
    if command in ("run", "widen"):
        assert named, said
        late = by is _folder and what.startswith("report")  # seen when the report is written
        assert ran.returncode == (1 if late and command == "widen" else 2), said
    else:
        refused = what in NEEDED[command]
        assert named or not refused, said
        assert ran.returncode == (2 if refused and command != "list" else 0), said
    assert (stat.S_IFMT(path.lstat().st_mode) == stat.S_IFREG) == (by is _file)


@pytest.mark.parametrize("command", ["run", "widen"])
def test_a_lock_that_is_a_file_outside_by_another_name_is_not_written(
    command: str, study: Path, outside: Path
) -> None:
    (study / "lock").unlink()
    (study / "lock").hardlink_to(outside / "precious")
    ran = here(*COMMANDS[command], cwd=study.parent)
    assert ran.returncode == 2
    assert "error: s/lock is a hard link where a file of its own belongs" in ran.stderr


@pytest.mark.parametrize("name", FOLDERS)
def test_files_that_have_other_names_outside_are_replaced_and_not_written(
    name: str, study: Path, outside: Path
) -> None:
    """As after `cp -al` or a backup by hard links."""
    for path in (study / name).iterdir():
        if path.is_file():
            (outside.parent / "copy" / name).mkdir(parents=True, exist_ok=True)
            (outside.parent / "copy" / name / path.name).hardlink_to(path)
    before = _contents(outside.parent / "copy")
    assert here(*COMMANDS["widen"], cwd=study.parent).returncode == 0
    assert _contents(outside.parent / "copy") == before


def test_a_study_is_run_through_a_link_that_the_user_has_named(study: Path) -> None:
    (study.parent / "link").symlink_to(study)
    ran = here(*RUN, "--study", "link", cwd=study.parent)
    assert ran.returncode == 0, ran.stderr
    assert (study.parent / "link").is_symlink()


@pytest.mark.parametrize("name", ["meta.json", "train.npy", "test.npy", "labels.npy"])
@pytest.mark.parametrize("by", INSTEAD_OF_FILE)
def test_what_is_no_file_of_a_conversion_is_named_and_left_alone(
    name: str,
    by: Callable[[Path, Path], None],
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(outside.parent / "cache"))
    images = np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4)
    sha256 = convert(as_stream(images), as_stream(images[:1]), 255)
    store_labels(sha256, Labels(np.arange(3), np.arange(1)))
    assert open_stored(sha256, "mine").labels is not None
    path = _replace(content_folder(sha256), name, by, outside)
    with pytest.raises(WrongKindError, match=f"{name} is a") as refused:
        _ = open_stored(sha256, "mine").labels
    assert str(path) in str(refused.value)
    with pytest.raises(WrongKindError):
        list(chunks(sha256))


def test_the_error_can_be_copied_and_sent_by_a_worker(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(WrongKindError) as raised:
        LocalFolder(tmp_path).folder("link").names()
    for again in (copy.copy(raised.value), pickle.loads(pickle.dumps(raised.value))):
        assert isinstance(again, WrongKindError)
        assert str(again) == str(raised.value)


def test_a_conversion_that_is_a_link_is_named_and_left_alone(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(outside.parent / "cache"))
    folder = content_folder("0" * 64)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    with pytest.raises(WrongKindError, match=r"0 is a symbolic link where a folder belongs"):
        is_stored("0" * 64)
    (folder.parent / ".unpacking").symlink_to(outside / "precious")
    with pytest.raises(WrongKindError, match=r"\.unpacking is a symbolic link"):
        unpack("1" * 64, [("meta.json", b"x")])


@pytest.mark.parametrize(("umask", "modes"), [(0o077, {0o600, 0o700}), (0o002, {0o664, 0o775})])
def test_files_and_folders_follow_the_umask(
    umask: int, modes: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of the data cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "s" / "cache"))
    before = os.umask(umask)
    try:
        ran = here(*RUN, "--study", "s", "--checkpoint-seconds", "0.1", cwd=tmp_path)
        images = np.zeros((3, 1, 4, 4), np.uint8)
        convert(as_stream(images), as_stream(images), 255)
    finally:
        os.umask(before)
    assert ran.returncode == 0, ran.stderr
    found = list((tmp_path / "s").rglob("*"))
    assert len(found) > 15
    other = {path: oct(path.stat().st_mode) for path in found if _mode(path) not in modes}
    assert other == {}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
