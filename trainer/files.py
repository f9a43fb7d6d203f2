"""Files that are either whole or not there, in folders on this machine or elsewhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

UNFINISHED = ".part"
"""The end of the name under which a file is being written."""


class Folder(Protocol):
    """A place for files, each of which is there whole or not at all; it need not exist yet.

    All methods raise OSError where the storage refuses.
    """

    @property
    def name(self) -> str:
        """The last part of where it is."""

    def __str__(self) -> str:
        """Where it is, as one would type it."""

    @property
    def address(self) -> str:
        """Where it is, for a process with another working folder."""

    def at(self, name: str) -> str:
        """Where a file in it is, as one would type it."""

    def folder(self, name: str) -> Folder:
        """Give a folder in it."""

    def names(self) -> list[str]:
        """List the files and folders directly in it, sorted; none if it does not exist."""

    def has(self, name: str) -> bool:
        """Tell whether a file or folder of this name is in it."""

    def read(self, name: str) -> bytes:
        """Read a file; FileNotFoundError if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file: a reader sees the old one or the new one, never a part."""

    def modified(self, name: str) -> float:
        """Give when a file was last written, in seconds since 1970 by the storage's clock."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def clear(self) -> None:
        """Remove the folder with all that is in it, if it exists."""


class LocalFolder:
    """A folder on this machine, or on a file system that is mounted here; see `Folder`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def __str__(self) -> str:
        return str(self.path)

    @property
    def address(self) -> str:
        """The absolute path."""
        return str(self.path.resolve())

    def at(self, name: str) -> str:
        """Give a file's path."""
        return str(self.path / name)

    def folder(self, name: str) -> LocalFolder:
        """Give a folder in it."""
        return LocalFolder(self.path / name)

    def names(self) -> list[str]:
        """List what is in it."""
        return sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []

    def has(self, name: str) -> bool:
        """Tell whether it holds a file or folder."""
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        """Read a file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which is on the disk when this returns."""
        write_atomic(self.path / name, content)

    def modified(self, name: str) -> float:
        """Give when a file was last written."""
        return (self.path / name).stat().st_mtime

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder; a worker that outlived its run may be writing into it still."""
        shutil.rmtree(self.path, ignore_errors=True)


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
            error.filename = str(path)  # a full disk does not name what it had no room for
        raise


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
