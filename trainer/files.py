"""Files that are either whole or not there, in folders on this machine or elsewhere."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path, PurePath
from typing import Protocol

UNFINISHED = ".part"
"""The end of the name under which a file is being written."""


class Folder(Protocol):
    """A place for files, each of which is there whole or not at all; it need not exist yet.

    All methods raise OSError where the storage refuses, and ValueError for a name that leads
    elsewhere.
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

    def check(self, *, folders: bool = False) -> None:
        """Check that all that is in it are files or, with `folders`, also folders of such.

        Raises:
            OSError: if something is not, such as a symbolic link; its message names it.
        """

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


def cache_folder() -> Path:
    """Return the folder of this user in which downloads and conversions are kept."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says that a relative path is to be ignored.
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "bottleneck-sweeper"


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder for what is not complete yet, with a name that nothing has yet."""
    folder = parent / f"{prefix}-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    return folder


def check_name(name: str) -> str:
    """Return a name that stands for something directly in a folder.

    Raises:
        ValueError: if it leads elsewhere.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file in a folder")
    return name


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
