"""Members of tar archives, read into memory: nothing is ever extracted to a path they name."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from trainer.data.cache.stream import damaged_file_error


def read_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted regular files of a .tar.gz, as (`folder/file`, content), in its order.

    Raises:
        UserError: if it is no tar archive, or ends early; names the file and what was found.
    """
    try:
        # As a stream: an archive is read once from its beginning to its end.
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = str(PurePosixPath(member.name))  # without a leading ./
                if member.isfile() and wanted(name):
                    content = archive.extractfile(member)
                    assert content is not None  # it is a regular file
                    yield name, content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise damaged_file_error(
            path, ".tar.gz archive", "one that can be read to its end", error
        ) from error
