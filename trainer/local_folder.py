"""Folders on this machine, in which nothing leads outside: a study may have come from anybody."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from trainer.files import UNFINISHED, check_name

KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


class WrongKindError(OSError):
    """Something lies where a file or a folder belongs that is neither read, written nor removed."""


def wrong_kind(path: Path, found: str, wanted: str) -> WrongKindError:
    """Return the error for what lies at a path, where a file or a folder is wanted."""
    where = f"{path} is {found} where {wanted} belongs"
    return WrongKindError(f"{where}; it is left alone: move it away")


class LocalFolder:
    """A `Folder` on this machine, or on a file system that is mounted here.

    Its root, which a user named, may be reached through symbolic links. Below it none is followed,
    and FIFOs, sockets and devices are not opened: all methods raise WrongKindError instead.

    Args:
        root: its path; that of the folder around it where there are `parts`.
        parts: the names that lead from `root` to it.
    """

    def __init__(self, root: Path | str, *parts: str) -> None:
        self._root = Path(root)
        self._parts = parts

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._root.joinpath(*self._parts)

    @property
    def name(self) -> str:
        return self.path.name

    def __str__(self) -> str:
        return str(self.path)

    @property
    def address(self) -> str:
        return str(self._root.resolve().joinpath(*self._parts))

    def at(self, name: str) -> str:
        return str(self.path / name)

    def folder(self, name: str) -> LocalFolder:
        return LocalFolder(self._root, *self._parts, check_name(name))

    @property
    def exists(self) -> bool:
        """Whether there is such a folder."""
        try:
            with self._opened():
                return True
        except FileNotFoundError:
            return False

    def make(self) -> None:
        """Make the folder, and those around it, unless it is there."""
        with self._opened(make=True):
            return

    def check(self, *, folders: bool = False) -> None:
        with suppress(FileNotFoundError), self._opened() as handle, os.scandir(handle) as entries:
            for entry in entries:
                if folders and entry.is_dir(follow_symlinks=False):
                    self.folder(entry.name).check(folders=True)
                elif not entry.is_file(follow_symlinks=False):
                    self._check_kind(entry.name, handle)

    def names(self) -> list[str]:
        try:
            with self._opened() as handle:
                return sorted(os.listdir(handle))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def has(self, name: str) -> bool:
        try:
            with self._opened() as handle:
                os.stat(check_name(name), dir_fd=handle, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; FileNotFoundError if there is none."""
        with self._opened() as handle:
            return os.fdopen(self._open_file(name, os.O_RDONLY, handle), "rb")

    def open_lock(self, name: str) -> BinaryIO:
        """Open a file for locking, and for writing into it who holds it; make it if need be.

        Raises:
            WrongKindError: also where the file has another name, through which it would be
                written too.
        """
        with self._opened(make=True) as handle:
            file = os.fdopen(self._open_file(name, os.O_RDWR | os.O_CREAT, handle), "r+b")
        if os.fstat(file.fileno()).st_nlink > 1:
            file.close()
            raise wrong_kind(self.path / name, "a hard link", "a file of its own")
        return file

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that a reader sees the old one, or the new one, never a part of it.

        The bytes reach the disk under a temporary name before the rename, so a process that is
        killed, or a machine that loses power, leaves at worst a `.part` file.

        Raises:
            OSError: if the disk is full or not writable; the temporary file is then gone.
        """
        temporary = f".{check_name(name)}.{uuid.uuid4().hex}{UNFINISHED}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with self._opened(make=True) as handle:
            self._check_kind(name, handle)
            try:
                with os.fdopen(self._open_file(temporary, flags, handle), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
                os.fsync(handle)  # makes the rename durable
            except BaseException as error:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=handle)
                if isinstance(error, OSError):
                    error.filename = self.at(name)  # the error of a full disk has no file name
                    error.filename2 = None
                raise

    def modified(self, name: str) -> float:
        with self._opened() as handle:
            return os.stat(check_name(name), dir_fd=handle, follow_symlinks=False).st_mtime

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError), self._opened() as handle:
            self._check_kind(name, handle)
            os.unlink(name, dir_fd=handle)

    def clear(self) -> None:
        """Remove the folder; a worker that outlived its run may still be writing into it."""
        outer = LocalFolder(self._root, *self._parts[:-1])
        if not self._parts:
            outer = LocalFolder(self._root.parent)
        with suppress(FileNotFoundError), self._opened(), outer._opened() as handle:
            shutil.rmtree(self.name, ignore_errors=True, dir_fd=handle)

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int]:
        """Open the folder itself, for calls that take a name in it and follow no link."""
        if make:
            self._root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            path = self._root
            for part in self._parts:
                path /= part
                inner = _open_folder(path, handle, make=make)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _open_file(self, name: str, flags: int, folder: int) -> int:
        """Open a file of the folder, without waiting for a writer where it is no file."""
        self._check_kind(name, folder)
        safe = os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            handle = os.open(name, flags | safe, 0o666, dir_fd=folder)
        except OSError as error:
            error.filename = self.at(name)
            raise
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # it was put there since it was checked
            os.close(handle)
            raise wrong_kind(self.path / name, "something else", "a file")
        return handle

    def _check_kind(self, name: str, folder: int) -> None:
        """Raise WrongKindError if something other than a file has this name."""
        try:
            mode = os.stat(check_name(name), dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise wrong_kind(self.path / name, _kind(mode), "a file")


def _open_folder(path: Path, around: int, *, make: bool) -> int:
    """Open a folder by the last part of its path, in the folder around it, which is open."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(path.name, dir_fd=around)
    try:
        return os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=around)
    except FileNotFoundError as error:
        error.filename = str(path)
        raise
    except OSError as error:
        mode = os.stat(path.name, dir_fd=around, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            raise wrong_kind(path, _kind(mode), "a folder") from error
        error.filename = str(path)
        raise


def _kind(mode: int) -> str:
    return next((name for is_kind, name in KINDS if is_kind(mode)), "a device")
