"""A run's temporary folder: Ray's session and logs, and all that its processes put down.

Nobody but its user can look into it. The run that made it holds a lock in it, and removes it when
it has ended well; what a killed one has left, the next run removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path

from trainer.errors import UserError

PREFIX = "sweeper-"
LOCK = "in-use"
"""Held by the run, and what a folder of this kind is known by."""

SOCKET_BYTES = 107
"""How long the path of a socket may be."""
LONGEST_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_{pid}/sockets/dash_MetricsHead"
"""Of those that Ray makes below the temporary folder of a run in process `pid`."""

ENDING_SECONDS = 5.0
"""How long Ray's processes are given to end that still write into a folder while it is removed."""

_NAME = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")


def base_folder() -> Path:
    """Return where runs have their temporary folders: `$RAY_TMPDIR`, `$TMPDIR` or `/tmp`.

    As Ray has it; a `$TMPDIR` below which its sockets would have too long a path is passed over.

    Raises:
        UserError: if `$RAY_TMPDIR` is such a folder: Ray would wait for its sockets for a minute.
    """
    if chosen := os.environ.get("RAY_TMPDIR"):
        if not _has_room(Path(chosen).absolute()):
            raise UserError(
                f"RAY_TMPDIR is {chosen}, below which the paths of Ray's sockets would be longer "
                f"than {SOCKET_BYTES} bytes; name a folder with a shorter path"
            )
        return Path(chosen).absolute()
    usual = Path(tempfile.gettempdir())
    return usual if _has_room(usual) else Path("/tmp")


def _has_room(base: Path) -> bool:
    longest = os.fsencode(f"{base / PREFIX}12345678{LONGEST_SOCKET.format(pid=os.getpid())}")
    return len(longest) <= SOCKET_BYTES


class TemporaryFolder:
    """The temporary folder of one run.

    Raises:
        OSError: if it cannot be made.
    """

    def __init__(self, base: Path) -> None:
        base.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # for its user alone
            lock = self.path / LOCK
            with contextlib.suppress(FileNotFoundError):  # another run took it for left over
                self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                if os.path.samestat(lock.stat(), os.fstat(self._lock)):
                    break
        for part in (self.ray, self.scratch, self.tune):
            part.mkdir()

    @property
    def ray(self) -> Path:
        """What Ray takes for its own: it lets everybody write there, if they get there."""
        return self.path / "ray"

    @property
    def scratch(self) -> Path:
        """What the run's processes take for the machine's temporary folder."""
        return self.path / "tmp"

    @property
    def tune(self) -> Path:
        """Where Tune keeps what it keeps of a run."""
        return self.path / "tune"

    @property
    def logs(self) -> Path:
        """The logs of the Ray that the run has started."""
        return self.ray / "session_latest" / "logs"

    def close(self, *, keep: bool) -> None:
        """Remove the folder, or leave it to be read, until the next run removes it."""
        if not keep:
            _remove(self.path)
        os.close(self._lock)


def remove_left_over(base: Path) -> None:
    """Remove the temporary folders of this user's runs that have ended.

    Only real folders are looked at, and no link is followed. What cannot be removed stays.
    """
    for path in base.iterdir() if base.is_dir() else ():
        if _NAME.fullmatch(path.name):
            with contextlib.suppress(OSError):  # in use, or not what it seems, or just removed
                _remove_if_left_over(path)


def _remove_if_left_over(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        path.rmdir()  # its run was killed before it locked it; with anything in it, it is not ours
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder, again if something was written into it meanwhile."""
    deadline = time.monotonic() + ENDING_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)
