"""Where studies lie: on this machine, or on any storage that pyarrow opens."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from sweeper.ledger.credentials import without_credentials
from trainer.errors import UserError
from trainer.files import UNFINISHED, Folder, check_name
from trainer.local_folder import LocalFolder

OBJECT_STORES = ("s3", "gcs", "abfs")
"""There a file appears when it has been written to its end, and moving one means copying it."""


def open_folder(place: Path | str) -> Folder:
    """Open a folder by its path, or by a URI such as `s3://bucket/studies/mine`.

    Raises:
        UserError: if pyarrow knows no storage of that kind, or has been given wrong options.
    """
    text = str(place)
    if isinstance(place, Path) or "://" not in text:
        return LocalFolder(text)
    try:
        system, path = pafs.FileSystem.from_uri(_in_one_request(text))
    except (pa.ArrowException, OSError) as error:
        raise UserError(without_credentials(f"cannot open the storage {text}: {error}")) from error
    if isinstance(system, pafs.LocalFileSystem):
        return LocalFolder(path)
    return RemoteFolder(system, path, text)


def _in_one_request(uri: str) -> str:
    """Have S3 take a small file in one request; by default each would take three."""
    if not uri.startswith("s3:") or "allow_delayed_open" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"


class RemoteFolder:
    """A folder on storage that pyarrow opens; see `trainer.files.Folder`."""

    def __init__(self, system: pafs.FileSystem, path: str, uri: str) -> None:
        self._system = system
        self._path = path.rstrip("/")
        self._uri = uri

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def __str__(self) -> str:
        return without_credentials(self._uri)

    @property
    def address(self) -> str:
        return self._uri

    def at(self, name: str) -> str:
        return without_credentials(self._uri_of(name))

    def folder(self, name: str) -> RemoteFolder:
        return RemoteFolder(self._system, self._inside(name), self._uri_of(name))

    def check(self, *, folders: bool = False) -> None:
        """Return: storage that pyarrow opens has nothing but files and folders."""

    def names(self) -> list[str]:
        selector = pafs.FileSelector(self._path, allow_not_found=True)
        return sorted(info.base_name for info in self._system.get_file_info(selector))

    def has(self, name: str) -> bool:
        return bool(self._info(name).type != pafs.FileType.NotFound)

    def read(self, name: str) -> bytes:
        with self._system.open_input_stream(self._inside(name)) as file:
            return bytes(file.read())

    def write(self, name: str, content: bytes) -> None:
        """Write a file; where it would be seen growing, under another name first."""
        target = self._inside(name)
        if self._system.type_name in OBJECT_STORES:
            self._put(target, content)
            return
        place, _, leaf = target.rpartition("/")
        self._system.create_dir(place, recursive=True)
        temporary = f"{place}/.{leaf}.{uuid.uuid4().hex}{UNFINISHED}"
        try:
            self._put(temporary, content)
            self._system.move(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                self._system.delete_file(temporary)
            raise

    def modified(self, name: str) -> float:
        written = self._info(name).mtime
        if written is None:
            raise FileNotFoundError(self._inside(name))
        return float(written.timestamp())

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_file(self._inside(name))

    def clear(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_dir(self._path)

    def _uri_of(self, name: str) -> str:
        place, question, options = self._uri.partition("?")
        return f"{place.rstrip('/')}/{name}{question}{options}"

    def _info(self, name: str) -> pafs.FileInfo:
        return self._system.get_file_info(self._inside(name))

    def _inside(self, name: str) -> str:
        return f"{self._path}/{check_name(name)}"

    def _put(self, path: str, content: bytes) -> None:
        with self._system.open_output_stream(path) as file:
            file.write(content)
