"""Official files, converted once into arrays that every process maps instead of reading.

A conversion is named after the hashes of the files it is made from, so it never changes. Next to
it is a note of which files, by path, size and modification time, were found to have these hashes:
those are not hashed again. Any other file is, before the conversion is used in its name.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from trainer.data.base import Dataset, DatasetInfo, content_sha256
from trainer.data.cache.convert import convert
from trainer.data.cache.stream import Stream
from trainer.data.official.sources import Progress, locate, search_folders, verify
from trainer.errors import MissingDataError, UserError
from trainer.files import cache_folder, write_atomic

_FORMAT = 1  # raise it when the same files are to be converted differently
_VERIFIED = "verified.json"


def open_dataset(
    info: DatasetInfo, data_dir: Path | None = None, progress: Progress | None = None
) -> Dataset:
    """Open a data set, converting its files first if that has not been done yet.

    Several processes may do this at once. With its files gone, an earlier conversion is used.

    Args:
        info: its registry row.
        data_dir: where to look for the files first.
        progress: told (what is converted, bytes written, bytes in all) during a conversion.

    Raises:
        MissingDataError: if the files are not found.
        UserError: if they are not the official ones, or cannot be converted.
    """
    if not info.files:
        train, test = info.read(())
        assert not isinstance(train, Stream)
        assert not isinstance(test, Stream)
        sha256 = content_sha256(train, test, info.levels)
        return Dataset(info.name, train, test, info.levels, sha256)
    folders = search_folders(info.name, data_dir)
    found = [locate(file, folders) for file in info.files]
    paths = [path.resolve() for path in found if path is not None]
    conversion = conversion_folder(info)
    try:
        if len(paths) == len(info.files):
            _convert_if_new(info, paths, conversion, progress)
        elif not conversion.is_dir():
            raise _not_found(info, folders)
        return _open(info, conversion)
    except OSError as error:
        raise UserError(
            f"cannot keep the converted {info.name} in {conversion.parent}: {error.strerror}; "
            "make room there, or set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def conversion_folder(info: DatasetInfo) -> Path:
    """Return where the conversion of `info.files` is kept, whether it exists yet or not."""
    identity = [_FORMAT, info.levels, [[file.name, file.digest] for file in info.files]]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    return cache_folder() / info.name / f"converted-{key}"


def _convert_if_new(
    info: DatasetInfo, paths: list[Path], conversion: Path, progress: Progress | None
) -> None:
    """Bring about that `conversion` exists and that `paths` are known to have its content."""
    stamps = {str(path): _stamp(path) for path in paths}  # before hashing: a later change shows
    known = _read_note(info, conversion)
    if all(known.get(path) == stamp for path, stamp in stamps.items()):
        return
    for path, file in zip(paths, info.files, strict=True):
        verify(path, file)
    if not conversion.is_dir():
        convert(info, paths, conversion, progress)
    # If another process notes its files at this moment, one note is lost and made again later.
    write_atomic(conversion / _VERIFIED, json.dumps(known | stamps, indent=1).encode())


def _read_note(info: DatasetInfo, conversion: Path) -> dict[str, list[int]]:
    """Return [size, modification time in ns] of each file that was found to be official."""
    note = conversion / _VERIFIED
    if not note.is_file():
        return {}
    try:
        return dict(json.loads(note.read_text()))
    except (ValueError, TypeError) as error:
        raise _damaged(info, conversion, error) from error


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _open(info: DatasetInfo, conversion: Path) -> Dataset:
    try:
        meta = json.loads((conversion / "meta.json").read_text())
        # Copy-on-write: all processes share the pages, and torch takes the array as writable.
        train = np.load(conversion / "train.npy", mmap_mode="c")
        test = np.load(conversion / "test.npy", mmap_mode="c")
        if [list(train.shape), list(test.shape)] != [meta["train_shape"], meta["test_shape"]]:
            raise ValueError("shapes differ from those in meta.json")
        return Dataset(info.name, train, test, meta["levels"], meta["sha256"])
    except (ValueError, KeyError, EOFError, FileNotFoundError) as error:
        raise _damaged(info, conversion, error) from error


def _damaged(info: DatasetInfo, conversion: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(
        f"the converted {info.name} in {conversion} is damaged ({reason}); delete that folder"
    )


def _not_found(info: DatasetInfo, folders: list[Path]) -> MissingDataError:
    missing = [file for file in info.files if locate(file, folders) is None]
    names = ", ".join(" or ".join(file.accepted_names) for file in missing)
    plain = [folder / file.plain_name for folder in folders for file in missing]
    unusable = ", ".join(str(path) for path in plain if path.is_file())
    note = f"; {unusable} cannot be used: only the .gz can be verified" if unusable else ""
    return MissingDataError(
        f"data set {info.name!r} is not on disk: no {names} in "
        f"{', '.join(str(folder) for folder in folders)}{note}; run "
        f"`sweeper data fetch {info.name}`, or name the folder that has them with --data-dir"
    )
