"""Converting official files into arrays, block by block, all of them or none."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainer.data.base import DatasetInfo, Images, begin_sha256
from trainer.data.cache.stream import Stream, whole
from trainer.data.drawn.rendered import Rendered
from trainer.data.official.sources import Progress
from trainer.files import write_atomic


def convert(
    info: DatasetInfo, paths: list[Path], conversion: Path, progress: Progress | None
) -> None:
    """Write a whole conversion or none; the first of several processes provides it.

    Args:
        info: the data set.
        paths: its official files, verified.
        conversion: the folder to make.
        progress: told (what is converted, bytes written, bytes in all).

    Raises:
        UserError: if a file turns out to be damaged as it is read.
        OSError: if the folder cannot be written.
    """
    train, test = (_stream(images) for images in info.read(paths))
    conversion.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=conversion.parent))
    try:
        sha256 = _write(info, train, test, temporary, progress)
        meta = {
            "levels": info.levels,
            "train_shape": train.shape,
            "test_shape": test.shape,
            "sha256": sha256,
        }
        write_atomic(temporary / "meta.json", json.dumps(meta, indent=1).encode())
        temporary.chmod(0o755)
        temporary.rename(conversion)
    except OSError:
        # A folder cannot be renamed onto one that has files: then another process was first.
        if not conversion.is_dir():
            raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)


def _stream(images: Images | Rendered | Stream) -> Stream:
    assert not isinstance(images, Rendered)  # there is nothing to keep of what is drawn
    return images if isinstance(images, Stream) else whole(images)


def _write(
    info: DatasetInfo, train: Stream, test: Stream, folder: Path, progress: Progress | None
) -> str:
    """Write both arrays, block by block; returns the content's hash."""
    digest = begin_sha256(train.shape, test.shape, info.levels)
    total = math.prod(train.shape) + math.prod(test.shape)
    done = 0

    def written(content: memoryview) -> None:
        nonlocal done
        digest.update(content)
        done += content.nbytes
        if progress:
            progress(f"converting {info.name}", done, total)

    _save(folder / "train.npy", train, written)
    _save(folder / "test.npy", test, written)
    assert done == total
    return digest.hexdigest()


def _save(path: Path, images: Stream, written: Callable[[memoryview], None]) -> None:
    """Write a .npy file, which `np.save` could do only with all images at hand."""
    header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in images.blocks():
            content = np.ascontiguousarray(block).data
            file.write(content)
            written(content)
        file.flush()
        os.fsync(file.fileno())
