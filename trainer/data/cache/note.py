"""What is remembered of a data set's official files, so that they are not read again.

A note lies at `<cache>/<name>/files-<key>.json`, its key made of the files' published hashes. It
says which content they convert to, and which files, by path, size and modification time, were
found to be the official ones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.data.base import DatasetInfo
from trainer.data.cache.by_content import META, content_folder, damaged_conversion_error
from trainer.data.cache.convert import move_into_place
from trainer.files import cache_folder
from trainer.local_folder import LocalFolder

_FORMAT = 1  # raise it when the same files are to be converted differently
_EARLIER_NOTE = "verified.json"

Stamps = dict[str, list[int]]
"""Size, and modification time in ns, by path."""


@dataclass(frozen=True)
class FilesNote:
    """What is known of a data set's official files."""

    sha256: str
    """Of the content they convert to."""
    files: Stamps
    """Files that were found to be official."""


def read_note(info: DatasetInfo) -> FilesNote | None:
    """Return the note on `info.files`, or None if there is none yet.

    Raises:
        UserError: if it is damaged.
    """
    path = note_path(info)
    try:
        fields = json.loads(LocalFolder(path.parent).read(path.name))
        return FilesNote(fields["sha256"], dict(fields["files"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise damaged_conversion_error(info.name, path, error) from error


def write_note(info: DatasetInfo, note: FilesNote) -> None:
    """Replace the note. If two processes do so at once, one note is lost and made again later."""
    path, content = note_path(info), json.dumps(dataclasses.asdict(note), indent=1).encode()
    LocalFolder(path.parent).write(path.name, content)


def adopt_earlier(info: DatasetInfo) -> FilesNote | None:
    """Take over a conversion of these files that an earlier version of this program made.

    It lies in the data set's own folder, with its note inside. Moving it costs nothing.

    Returns:
        The note on it; None if there is none, or it lies on another disk.

    Raises:
        UserError: if it is damaged.
    """
    earlier = earlier_conversion(info)
    try:
        conversion = LocalFolder(earlier.parent, earlier.name)
        sha256 = json.loads(conversion.read(META))["sha256"]
        target = content_folder(sha256)
        known = conversion.has(_EARLIER_NOTE)
        files: Any = json.loads(conversion.read(_EARLIER_NOTE)) if known else {}
        note = FilesNote(sha256, dict(files))
    except FileNotFoundError:
        return None  # there is none, or another process has just moved it
    except (ValueError, TypeError, KeyError) as error:
        raise damaged_conversion_error(info.name, earlier, error) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    write_note(info, note)
    try:
        move_into_place(earlier, target)
    except OSError:
        return None
    (target / _EARLIER_NOTE).unlink(missing_ok=True)
    return note


def earlier_conversion(info: DatasetInfo) -> Path:
    """Return where an earlier version of this program kept a conversion of these files."""
    return cache_folder() / info.name / f"converted-{_key(info)}"


def note_path(info: DatasetInfo) -> Path:
    """Return where the note on `info.files` is kept."""
    return cache_folder() / info.name / f"files-{_key(info)}.json"


def _key(info: DatasetInfo) -> str:
    identity = [_FORMAT, info.levels, [[file.name, file.digest] for file in info.files]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
