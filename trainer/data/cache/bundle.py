"""A conversion as a sequence of chunks, for machines that have neither its files nor its row."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator

from trainer.data.cache.by_content import (
    LABELS,
    META,
    TEST,
    TRAIN,
    content_folder,
    is_stored,
    stored_files,
)
from trainer.files import new_folder
from trainer.local_folder import LocalFolder

CHUNK_BYTES = 32 * 2**20
PARTS = (META, TRAIN, TEST, LABELS)

Chunk = tuple[str, bytes]
"""The name of a file and its next bytes."""


def chunks(sha256: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Read the conversion with this content, which is on this machine, chunk by chunk.

    Raises:
        OSError: if it cannot be read.
    """
    files = stored_files(sha256)
    for part in PARTS:
        if part == LABELS and not files.has(part):
            continue
        with files.open(part) as file:
            while content := file.read(chunk_bytes):
                yield part, content


def unpack(sha256: str, bundle: Iterable[Chunk]) -> None:
    """Write the conversion with this content from its chunks, unless this machine has it.

    Of several processes that do this at once, one takes the chunks and the others wait for it.

    Raises:
        OSError: if it cannot be written.
    """
    conversion = content_folder(sha256)
    with LocalFolder(conversion.parent).open_lock(".unpacking") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_stored(sha256):
            return
        temporary = new_folder(conversion.parent, ".unpacking")
        try:
            for part, content in bundle:
                with (temporary / part).open("ab") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            temporary.rename(conversion)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
