"""Downloading official files: verified under a temporary name, then renamed."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import IO

from trainer.data.base import DatasetInfo
from trainer.data.official.sources import (
    Progress,
    SourceFile,
    find_fault,
    locate,
    search_folders,
    verify,
)
from trainer.errors import UserError
from trainer.files import cache_folder

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30


class _MirrorError(Exception):
    """The file cannot be had from one address; there may be others."""


def fetch_files(
    info: DatasetInfo, data_dir: Path | None = None, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Download the files of a data set that are not on disk yet.

    They go to the folder of this data set in `data_dir`, or in the user's cache. A damaged file
    there is replaced; a file found elsewhere by the search order is used as it is.

    Returns:
        Where each of `info.files` and `info.label_files` is now, in their order.

    Raises:
        UserError: if a file cannot be had from any of its addresses, cannot be written, or one
            that is found before the download would be is not the official one.
    """
    if not info.files:
        return ()
    target = (data_dir or cache_folder()) / info.name
    try:
        target.mkdir(parents=True, exist_ok=True)
        folders = search_folders(info.name, data_dir)
        return tuple(
            _present(file, folders, target) or _fetch(file, target, progress or _silent)
            for file in (*info.files, *info.label_files)
        )
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {target}: {reason}; name another --data-dir") from error


def _present(file: SourceFile, folders: list[Path], target: Path) -> Path | None:
    """Return where the official file is already; None if it is to be downloaded."""
    path = locate(file, folders)
    if path is None:
        return None
    if folders.index(path.parent) < folders.index(target):
        verify(path, file)  # it would be found before a download, so it has to be right
        return path
    return None if find_fault(path, file) else path


def _fetch(file: SourceFile, target: Path, progress: Progress) -> Path:
    """Try each address in turn."""
    reasons = []
    for url in file.urls:
        try:
            return _download(url, file, target, progress)
        except _MirrorError as error:
            reasons.append(f"{url} ({error})")
    raise UserError(
        f"cannot download {file.name} from {' or '.join(reasons)}; "
        f"check the network, or get the file by other means and put it in {target}"
    )


def _download(url: str, file: SourceFile, target: Path, progress: Progress) -> Path:
    """Download from one address; leaves nothing behind unless the file is right."""
    # A name that the file could have, since it says whether the content is compressed.
    temporary = target / f".part-{uuid.uuid4().hex}-{file.name}"
    try:
        with temporary.open("xb") as output:
            _transfer(url, file.name, output, progress)
            output.flush()
            os.fsync(output.fileno())
        if fault := find_fault(temporary, file):
            raise _MirrorError(f"wrong content: {fault}")
        return temporary.replace(target / file.name)
    finally:
        temporary.unlink(missing_ok=True)


def _transfer(url: str, name: str, output: IO[bytes], progress: Progress) -> None:
    """Copy the answer of `url` to `output`."""
    done = 0
    with _answer(url) as response:
        announced = response.headers.get("Content-Length")
        total = int(announced) if announced and announced.isdigit() else None
        while chunk := _receive(response):
            output.write(chunk)
            done += len(chunk)
            progress(name, done, total)
    if total is not None and done != total:
        raise _MirrorError(f"the transfer ended after {done} of {total} bytes")


def _answer(url: str) -> http.client.HTTPResponse:
    try:
        response = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorError(f"answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(str(getattr(error, "reason", error))) from error
    assert isinstance(response, http.client.HTTPResponse)
    return response


def _receive(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(f"the transfer broke off: {error!r}") from error


def _silent(name: str, done: int, total: int | None) -> None:
    """Report nothing."""
