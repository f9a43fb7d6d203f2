"""A conversion as a sequence of chunks, for machines that have neither its files nor its row."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.data.cache.by_content import LABELS, META, TEST, TRAIN, content_folder

CHUNK_BYTES = 32 * 2**20
PARTS = (META, TRAIN, TEST, LABELS)

Chunk = tuple[str, bytes]
"""The name of a file and its next bytes."""


def chunks(sha256: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Read the conversion with this content, which is on this machine, chunk by chunk.

    Raises:
        OSError: if it cannot be read.
    """
    for part in PARTS:
        path = content_folder(sha256) / part
        if part == LABELS and not path.exists():
            continue
        with path.open("rb") as file:
            while content := file.read(chunk_bytes):
                yield part, content


def unpack(sha256: str, bundle: Iterable[Chunk]) -> None:
    """Write the conversion with this content from its chunks, unless this machine has it.

    Of several processes that do this at once, one takes the chunks and the others wait for it.

    Raises:
        OSError: if it cannot be written.
    """
    conversion = content_folder(sha256)
    conversion.parent.mkdir(parents=True, exist_ok=True)
    with (conversion.parent / ".unpacking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if conversion.is_dir():
            return
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=conversion.parent))
        try:
            for part, content in bundle:
                with (temporary / part).open("ab") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            temporary.chmod(0o755)
            temporary.rename(conversion)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
