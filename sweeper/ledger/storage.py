"""Where studies lie: on this machine, or on any storage that pyarrow opens."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.fs as pafs

from sweeper.ledger.credentials import without_credentials
from trainer.errors import UserError, shortened
from trainer.files import UNFINISHED, Folder, check_name
from trainer.local_folder import LocalFolder

OBJECT_STORES = ("s3", "gcs", "abfs")
"""There a file appears when it has been written to its end, and moving one means copying it."""

ANSWER_SECONDS = "3"
"""How long storage of Google's may be asked again before it is said not to answer."""


def open_folder(place: Path | str) -> Folder:
    """Open a folder by its path, or by a URI such as `s3://bucket/studies/mine`.

    Raises:
        UserError: if pyarrow knows no storage of that kind, or has been given wrong options.
    """
    text = str(place)
    if isinstance(place, Path) or "://" not in text:
        return LocalFolder(text)
    if text.startswith("mock:"):
        raise UserError(f"{text} is storage that forgets all when the process ends; name another")
    try:
        system, path = pafs.FileSystem.from_uri(_in_one_request(text))
        if system.type_name in OBJECT_STORES and not path.strip("/"):
            kind = text.partition(":")[0]
            raise UserError(f"{text} names no bucket; name one, as {kind}://bucket/study")
        _check_answers(text, path)
    except (pa.ArrowException, OSError, ImportError) as error:
        reason = shortened(" ".join(str(error).split()), 300)
        raise UserError(without_credentials(f"cannot open the storage {text}: {reason}")) from error
    if isinstance(system, pafs.LocalFileSystem):
        return LocalFolder(path)
    return RemoteFolder(system, path, text)


def _in_one_request(uri: str) -> str:
    """Have S3 take a small file in one request; by default each would take three."""
    return uri if not uri.startswith("s3:") else _with_option(uri, "allow_delayed_open", "true")


def _check_answers(uri: str, path: str) -> None:
    """Ask Google's storage once, and not for the quarter of an hour for which it would be tried.

    That patience is right for a run that is under way.

    Raises:
        OSError: if it does not answer, or does not want us.
    """
    if uri.startswith(("gs:", "gcs:")):
        hasty, _ = pafs.FileSystem.from_uri(
            _with_option(uri, "retry_limit_seconds", ANSWER_SECONDS)
        )
        hasty.get_file_info(path)


def _with_option(uri: str, name: str, value: str) -> str:
    """Add an option to a URI that does not have it."""
    return uri if name in uri else f"{uri}{'&' if '?' in uri else '?'}{name}={value}"


Method = TypeVar("Method", bound=Callable[..., Any])


def _refuses_by_os_error(method: Method) -> Method:
    """Turn pyarrow's own errors into OSError, as `Folder` promises; few of them are."""

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except pa.ArrowException as error:
            raise OSError(" ".join(str(error).split())) from error

    return cast(Method, run)


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

    @_refuses_by_os_error
    def names(self) -> list[str]:
        selector = pafs.FileSelector(self._path, allow_not_found=True)
        return sorted(info.base_name for info in self._system.get_file_info(selector))

    @_refuses_by_os_error
    def has(self, name: str) -> bool:
        return bool(self._info(name).type != pafs.FileType.NotFound)

    @_refuses_by_os_error
    def read(self, name: str) -> bytes:
        with self._system.open_input_stream(self._inside(name)) as file:
            return bytes(file.read())

    @_refuses_by_os_error
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

    @_refuses_by_os_error
    def modified(self, name: str) -> float:
        written = self._info(name).mtime
        if written is None:
            raise FileNotFoundError(self._inside(name))
        return float(written.timestamp())

    @_refuses_by_os_error
    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_file(self._inside(name))

    @_refuses_by_os_error
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
