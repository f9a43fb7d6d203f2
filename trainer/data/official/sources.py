"""Official files: where they are looked for, and how they are verified."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trainer.errors import UserError
from trainer.files import cache_folder

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with what is being done, the bytes done and the bytes in all (None if not known)."""

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading from `open_content` can raise."""

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One official file: its name, where it can be downloaded, and how it is recognised."""

    name: str
    """As downloaded, for example `train-images-idx3-ubyte.gz`."""
    urls: tuple[str, ...]
    """Addresses; the first that works is used."""
    size: int | None
    """Bytes that `digest` is the hash of; None if not published."""
    digest: str
    """Hexadecimal hash."""
    algorithm: str = "sha256"
    """Of `digest`: a name `hashlib` knows, or `git-blob` for the id git gives the file."""
    of_content: bool = True
    """Whether `size` and `digest` are of the uncompressed content, so that a file that was
    compressed again, or not at all, is accepted too; otherwise they are of the file as it is."""

    @property
    def plain_name(self) -> str:
        """The name of the uncompressed file."""
        return self.name.removesuffix(".gz")

    @property
    def accepted_names(self) -> tuple[str, ...]:
        """The names under which it is looked for, in this order."""
        return (self.name, self.plain_name) if self.of_content else (self.name,)


def search_folders(name: str, data_dir: Path | None) -> list[Path]:
    """List where the files of data set `name` are looked for, in this order.

    `data_dir`, `$SWEEPER_DATA` and the cache folder: in each the folder `name`, then the folder
    itself.

    Raises:
        UserError: if `data_dir` is given and is no folder.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is not a folder; create it or name another one")
    environment = os.environ.get("SWEEPER_DATA")
    bases = [data_dir, Path(environment) if environment else None, cache_folder()]
    return [folder for base in bases if base is not None for folder in (base / name, base)]


def locate(file: SourceFile, folders: list[Path]) -> Path | None:
    """Return the first of `folders` × accepted names that is there, or None."""
    candidates = (folder / name for folder in folders for name in file.accepted_names)
    return next((path for path in candidates if path.is_file()), None)


def open_content(path: Path) -> io.BufferedReader | gzip.GzipFile:
    """Open a file for reading what is in it, uncompressed if its name ends in `.gz`."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def explain(error: Exception) -> str:
    """Return why the content of a file cannot be read; `error` is one of `READ_ERRORS`."""
    if isinstance(error, gzip.BadGzipFile):
        return "expected a gzip file, found something else (if it is uncompressed, drop the .gz)"
    if isinstance(error, EOFError):
        return "expected a whole gzip file, found that it ends early"
    if isinstance(error, zlib.error):
        return f"expected a gzip file, found damaged data ({error})"
    return f"it cannot be read: {getattr(error, 'strerror', None) or error}"


def find_fault(path: Path, file: SourceFile) -> str | None:
    """Return what was expected and what was found if `path` is not the official file, or None."""
    size = 0
    try:
        digest = _new_digest(path, file)
        with open_content(path) if file.of_content else path.open("rb") as content:
            while chunk := content.read(_CHUNK):
                size += len(chunk)
                digest.update(chunk)
    except READ_ERRORS as error:
        return explain(error)
    found = digest.hexdigest()
    if found == file.digest and file.size in (None, size):
        return None
    expected = "" if file.size is None else f"{file.size} "
    what = "uncompressed" if file.of_content else "compressed"
    return (
        f"expected {expected}{what} bytes with {file.algorithm} {file.digest}, "
        f"found {size} with {found}"
    )


def _new_digest(path: Path, file: SourceFile) -> hashlib._Hash:
    """Begin the hash of a file."""
    if file.algorithm != "git-blob":
        return hashlib.new(file.algorithm, usedforsecurity=False)
    assert not file.of_content  # git hashes the file as it is, its length first
    return hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)


def verify(path: Path, file: SourceFile) -> None:
    """Check that `path` is the official file.

    Raises:
        UserError: if it cannot be read, or has another length or hash; names file, expected, found.
    """
    if fault := find_fault(path, file):
        raise UserError(
            f"{path} is not the official {file.name}: {fault}; get the official file again"
        )
