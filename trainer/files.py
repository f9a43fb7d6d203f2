"""Files that are either whole or not there, in folders on this machine or elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path, PurePath
from typing import Protocol

UNFINISHED = ".part"
"""The end of the name under which a file is being written."""


class Folder(Protocol):
    """A place for files, each of which is there whole or not at all; it need not exist yet.

    All methods raise OSError where the storage refuses.
    """

    @property
    def name(self) -> str:
        """The last part of its address."""

    def __str__(self) -> str:
        """Return where it is, as one would type it."""

    @property
    def address(self) -> str:
        """Where it is, for a process with another working folder."""

    def at(self, name: str) -> str:
        """Return where a file in it is, as one would type it."""

    def folder(self, name: str) -> Folder:
        """Return a folder in it."""

    def names(self) -> list[str]:
        """List the files and folders directly in it, sorted; none if it does not exist."""

    def has(self, name: str) -> bool:
        """Return whether a file or folder of this name is in it."""

    def read(self, name: str) -> bytes:
        """Read a file; FileNotFoundError if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file: a reader sees the old one or the new one, never a part."""

    def modified(self, name: str) -> float:
        """Return when a file was last written, in seconds since 1970 by the storage's clock."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def clear(self) -> None:
        """Remove the folder with all that is in it, if it exists."""


class LocalFolder:
    """A `Folder` on this machine, or on a file system that is mounted here."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        return self.path.name

    def __str__(self) -> str:
        return str(self.path)

    @property
    def address(self) -> str:
        return str(self.path.resolve())

    def at(self, name: str) -> str:
        return str(self.path / name)

    def folder(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which is on the disk when this returns."""
        write_atomic(self.path / name, content)

    def modified(self, name: str) -> float:
        return (self.path / name).stat().st_mtime

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder; a worker that outlived its run may still be writing into it."""
        shutil.rmtree(self.path, ignore_errors=True)


def cache_folder() -> Path:
    """Return the folder of this user in which downloads and conversions are kept."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says that a relative path is to be ignored.
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "bottleneck-sweeper"


def content_hash(content: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def content_name(prefix: str, content: bytes, suffix: str) -> str:
    """Return the name of a file that carries the hash of its content: `PREFIX-HASH.SUFFIX`.

    `read_checked` recognises by it a file that was damaged.
    """
    return f"{prefix}-{content_hash(content)}{suffix}"


def read_checked(folder: Folder, name: str) -> bytes:
    """Read a file whose name `content_name` made.

    Raises:
        OSError: if it cannot be read.
        ValueError: if its content is not the one it was named for.
    """
    content = folder.read(name)
    if PurePath(name).stem.rpartition("-")[2] != content_hash(content):
        raise ValueError("its content is damaged")
    return content


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` so that a reader sees the old file, or the new one, never a part of it.

    The bytes reach the disk under a temporary name in the same folder before the rename, so a
    process that is killed, or a machine that loses power, leaves at worst a `.part` file.

    Raises:
        OSError: if the disk is full or not writable; the temporary file is then gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # the error of a full disk has no file name
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
