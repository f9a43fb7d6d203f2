"""One run at a time in a study's folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from trainer.errors import UserError
from trainer.files import Folder
from trainer.local_folder import LocalFolder

LOCK = "lock"

RENEW_SECONDS = 5.0
NAME_BYTES = 200
"""Read of a lock file, which names who holds it."""

PATIENCE_SECONDS = 4 * RENEW_SECONDS
"""A lease on storage without locks is dead if it was not renewed for so long."""

logger = logging.getLogger(__name__)


def holder(folder: Folder) -> str | None:
    """Return who holds a folder at this moment; None if nobody does.

    On storage without locks that is the last who renewed its lease, which may have died within
    the last `PATIENCE_SECONDS`. The storage's clock is compared with this machine's.
    """
    if not folder.has(LOCK):
        return None
    if not isinstance(folder, LocalFolder):
        try:
            aged = time.time() - folder.modified(LOCK)
            return _who(folder.read(LOCK)) if aged < PATIENCE_SECONDS else None
        except FileNotFoundError:  # released meanwhile
            return None
    with folder.open(LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _written_in(file)
    return None


def held(folder: Folder) -> contextlib.AbstractContextManager[None]:
    """Hold a folder for one run.

    Raises:
        UserError: if another run holds it, with that run's process and host.
    """
    return _flock(folder) if isinstance(folder, LocalFolder) else _lease(folder)


@contextlib.contextmanager
def _flock(folder: LocalFolder) -> Iterator[None]:
    """Hold a folder by a lock of the kernel, which releases it when the process ends."""
    made = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    with folder.open_lock(LOCK) as file:
        if not _locks(file):
            raise _in_use(folder, _written_in(file))
        file.truncate(0)
        file.write(_this_process().encode())
        file.flush()
        try:
            yield
        finally:
            if folder.names() == [LOCK]:
                folder.remove(LOCK)  # the run was refused before it began: leave nothing behind
                with contextlib.suppress(OSError):  # not empty: another study came to be
                    for path in made:
                        path.rmdir()


def _locks(file: BinaryIO) -> bool:
    """Try for a moment, since `holder` takes the lock too, for as long as it checks it."""
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


@contextlib.contextmanager
def _lease(folder: Folder) -> Iterator[None]:
    """Hold a folder by a file that is renewed as long as the process lives.

    Clocks may differ and are not compared: a lease that changes while it is watched is alive.
    """
    _wait_for_dead_lease(folder)
    lease = _Lease(folder)
    lease.renew()
    time.sleep(1)  # of two that came at once, the later one's file stays; both look again
    if not lease.ours():
        raise _in_use(folder, _who(folder.read(LOCK)))
    renewing = threading.Thread(target=lease.keep, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        lease.released.set()
        renewing.join()
        if lease.ours():
            folder.remove(LOCK)


def _wait_for_dead_lease(folder: Folder) -> None:
    """Return once a lease that was found has not been renewed for `PATIENCE_SECONDS`."""
    if not folder.has(LOCK):
        return
    found = folder.read(LOCK)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)
        if not folder.has(LOCK):
            return
        if folder.read(LOCK) != found:
            raise _in_use(folder, _who(found))


class _Lease:
    def __init__(self, folder: Folder) -> None:
        self.released = threading.Event()
        self._folder = folder
        self._token = uuid.uuid4().hex
        self._renewals = 0

    def renew(self) -> None:
        content = {"holder": _this_process(), "token": self._token, "renewals": self._renewals}
        self._folder.write(LOCK, json.dumps(content).encode())
        self._renewals += 1

    def ours(self) -> bool:
        if not self._folder.has(LOCK):
            return False
        return bool(json.loads(self._folder.read(LOCK)).get("token") == self._token)

    def keep(self) -> None:
        while not self.released.wait(RENEW_SECONDS):
            try:
                if not self.ours():
                    logger.error("%s was taken over by another run: stopping", self._folder)
                    os.kill(os.getpid(), signal.SIGTERM)  # as if asked to: it saves and leaves
                    return
                self.renew()
            except OSError as error:  # the storage may come back before the lease is dead
                logger.warning("the lease of %s could not be renewed: %s", self._folder, error)


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _written_in(lock: BinaryIO) -> str:
    return lock.read(NAME_BYTES).decode(errors="replace").strip() or "another process"


def _who(content: bytes) -> str:
    try:
        return str(json.loads(content)["holder"])
    except (ValueError, KeyError, TypeError):
        return "another process"


def _in_use(folder: Folder, who: str) -> UserError:
    return UserError(
        f"{folder} is in use by {who}; wait for it, stop it, or give another folder with --study"
    )
