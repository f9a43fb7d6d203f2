"""Opening a data set by its row: official files are converted once, into arrays that are mapped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trainer.data.base import Dataset, DatasetInfo, ImageSet, content_sha256
from trainer.data.cache.by_content import (
    LABELS,
    is_stored,
    open_stored,
    store_labels,
    stored_files,
)
from trainer.data.cache.convert import convert
from trainer.data.cache.note import FilesNote, adopt_earlier, read_note, write_note
from trainer.data.cache.stream import Stream, as_stream
from trainer.data.drawn.rendered import Rendered
from trainer.data.labels import no_labels
from trainer.data.official.sources import (
    Progress,
    SourceFile,
    locate,
    search_folders,
    verify,
)
from trainer.errors import MissingDataError, UserError, told_of
from trainer.files import cache_folder
from trainer.local_folder import WrongKindError

logger = logging.getLogger(__name__)


def open_dataset(
    info: DatasetInfo,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    store: bool = False,
) -> Dataset:
    """Open a data set, converting its files first if that has not been done yet.

    Several processes may do this at once. With its files gone, an earlier conversion is used.

    Args:
        info: its registry row.
        data_dir: where to look for the files first.
        progress: called with (what is converted, bytes written, bytes in all) in a conversion.
        store: whether to store images that come from code, too, for processes without the row.

    Raises:
        MissingDataError: if the files are not found.
        UserError: if they are not the official ones or cannot be converted, or if code makes
            images that are not what the row says.
    """
    try:
        if info.files:
            return _open_official(info, data_dir, progress)
        return _open_made(info, store=store)
    except WrongKindError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(
            f"cannot keep the converted {info.name} in {cache_folder()}: {error.strerror}; "
            "make room there, or set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _open_made(info: DatasetInfo, *, store: bool) -> Dataset:
    with told_of(f"data set {info.name!r} cannot be read"):
        train, test = info.read(())
    if isinstance(train, Stream) or isinstance(test, Stream):
        raise UserError(f"data set {info.name!r}: a stream can only come from files; name them")
    if store:
        for images in (train, test):
            _check_images(info, images)
    sha256 = content_sha256(train, test, info.levels)
    if not store:
        read_labels = partial(info.read_labels, ()) if info.read_labels else no_labels
        return Dataset(info.name, train, test, info.levels, sha256, read_labels)
    if not is_stored(sha256):
        convert(as_stream(train), as_stream(test), info.levels, sha256=sha256)
    if info.read_labels:
        with told_of(f"the labels of data set {info.name!r} cannot be read"):
            labels = info.read_labels(())
        labels.check(info.name, len(train), len(test))
        store_labels(sha256, labels)
    return open_stored(sha256, info.name)


def _check_images(info: DatasetInfo, images: ImageSet) -> None:
    if not isinstance(images, np.ndarray | Rendered):
        found = type(images).__name__
        raise UserError(f"data set {info.name!r}: expected arrays of images, found {found}")
    shape = images.shape
    if len(shape) != 4 or shape[1:] != info.image_shape or not len(images):
        wanted = ("count", *info.image_shape)
        raise UserError(f"data set {info.name!r}: expected images {wanted}, found {shape}")
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8:
            raise UserError(f"data set {info.name!r}: expected uint8, found {images.dtype}")
        if images.max() > info.levels:
            raise UserError(
                f"data set {info.name!r}: expected values up to levels = {info.levels}, "
                f"found {images.max()}"
            )


def _open_official(info: DatasetInfo, data_dir: Path | None, progress: Progress | None) -> Dataset:
    folders = search_folders(info.name, data_dir)
    paths = _locate_all(info.files, folders)
    note = read_note(info)
    if note is None or not is_stored(note.sha256):
        note = adopt_earlier(info) or note
    if paths:
        note = _convert_if_new(info, paths, note, progress)
    elif note is None or not is_stored(note.sha256):
        raise _not_found_error(info, folders)
    if paths and info.read_labels:
        _add_labels(info, paths, folders, note.sha256)
    return open_stored(note.sha256, info.name)


def _locate_all(files: Sequence[SourceFile], folders: list[Path]) -> list[Path]:
    """Return where the files are, or nothing if one of them is missing."""
    found = [locate(file, folders) for file in files]
    paths = [path.resolve() for path in found if path is not None]
    return paths if len(paths) == len(files) else []


def _convert_if_new(
    info: DatasetInfo, paths: list[Path], note: FilesNote | None, progress: Progress | None
) -> FilesNote:
    """Make sure that `paths` are official and converted, and remember that."""
    stamps = {str(path): _stamp(path) for path in paths}  # before hashing: a later change shows
    stored = note is not None and is_stored(note.sha256)
    known = note.files if note else {}
    if note and stored and all(known.get(path) == stamp for path, stamp in stamps.items()):
        return note
    for path, file in zip(paths, info.files, strict=True):
        verify(path, file)
    if note and stored:
        sha256 = note.sha256
    else:
        with told_of(f"data set {info.name!r} cannot be read"):
            train, test = (as_stream(images) for images in info.read(paths))
        report = partial(progress, f"converting {info.name}") if progress else None
        sha256 = convert(train, test, info.levels, progress=report)
    note = FilesNote(sha256, known | stamps)
    write_note(info, note)
    return note


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _add_labels(info: DatasetInfo, paths: list[Path], folders: list[Path], sha256: str) -> None:
    """Add the labels to a conversion that has none. Nobody is kept from training without."""
    label_paths = _locate_all(info.label_files, folders)
    if stored_files(sha256).has(LABELS) or len(label_paths) < len(info.label_files):
        return
    assert info.read_labels is not None
    try:
        for path, file in zip(label_paths, info.label_files, strict=True):
            verify(path, file)
        labels = info.read_labels([*paths, *label_paths])
        stored = open_stored(sha256, info.name)
        labels.check(info.name, len(stored.train), len(stored.test))
    except UserError as error:
        logger.warning("%s is used without its labels: %s", info.name, error)
        return
    store_labels(sha256, labels)


def _not_found_error(info: DatasetInfo, folders: list[Path]) -> MissingDataError:
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
