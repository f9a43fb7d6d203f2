"""A converted data set in pieces, for machines that have neither its files nor the internet."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.data.base import DatasetInfo
from trainer.data.cache.store import conversion_folder

PIECE_BYTES = 32 * 2**20
PARTS = ("meta.json", "train.npy", "test.npy")

Piece = tuple[str, bytes]
"""The name of a file and its next bytes."""


def pieces(info: DatasetInfo, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Read the conversion of a data set that is open on this machine, piece by piece.

    Raises:
        OSError: if it cannot be read.
    """
    for part in PARTS:
        with (conversion_folder(info) / part).open("rb") as file:
            while content := file.read(piece_bytes):
                yield part, content


def unpack(info: DatasetInfo, parcel: Iterable[Piece]) -> None:
    """Make the conversion of a data set from its pieces, unless this machine has it.

    Of several processes that do this at once, one takes the pieces and the others wait for it.

    Raises:
        OSError: if it cannot be written.
    """
    conversion = conversion_folder(info)
    conversion.parent.mkdir(parents=True, exist_ok=True)
    with (conversion.parent / ".unpacking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if conversion.is_dir():
            return
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=conversion.parent))
        try:
            for part, content in parcel:
                with (temporary / part).open("ab") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            temporary.chmod(0o755)
            temporary.rename(conversion)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
