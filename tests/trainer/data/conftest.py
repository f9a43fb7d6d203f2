import gzip
import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from trainer.data.official.sources import SourceFile
from trainer.data.sets.mnist import MNIST


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep every test away from the user's own files; returns the cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SWEEPER_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # the servers of these tests are on this machine
    return tmp_path / "xdg" / "bottleneck-sweeper"


def to_idx(values):
    """The official byte layout, written independently of the reader."""
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def idx_bytes():
    return to_idx


@pytest.fixture
def official(tmp_path):
    """Make a file the official one of a data set: writes it and gives a row that has its hash."""

    def make(row, content, read):
        (file,) = row.files
        folder = tmp_path / "data" / row.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(content)
        hashed = content
        if file.algorithm == "git-blob":
            hashed = f"blob {len(content)}".encode() + b"\0" + content
        algorithm = {"git-blob": "sha1"}.get(file.algorithm, file.algorithm)
        digest = hashlib.new(algorithm, hashed).hexdigest()
        size = None if file.size is None else len(content)
        files = (replace(file, size=size, digest=digest),)
        return replace(row, files=files, read=read, read_labels=None)

    return make


class Tiny:
    """A data set in MNIST's format: a few 28×28 images, with a row that has their hashes."""

    def __init__(self, seed=0, of_content=True, mirrors=()):
        random = np.random.default_rng(seed)
        self.train = random.integers(0, 256, (7, 28, 28), np.uint8)
        self.test = random.integers(0, 256, (3, 28, 28), np.uint8)
        self.labels = [random.integers(0, 10, count, np.uint8) for count in (7, 3)]
        names = [file.name for file in MNIST.files]
        self.plain = dict(zip(names, map(to_idx, (self.train, self.test)), strict=True))
        self.packed = {name: gzip.compress(content) for name, content in self.plain.items()}
        hashed = self.plain if of_content else self.packed
        algorithm = "sha256" if of_content else "md5"

        def sources(contents):
            return tuple(
                SourceFile(
                    name=name,
                    urls=tuple(mirror + name for mirror in mirrors),
                    size=len(content),
                    algorithm=algorithm,
                    digest=hashlib.new(algorithm, content).hexdigest(),
                    of_content=of_content,
                )
                for name, content in contents.items()
            )

        self.info = replace(
            MNIST, name="tiny", files=sources(hashed), label_files=(), read_labels=None
        )
        names = [file.name for file in MNIST.label_files]
        self.label_content = dict(zip(names, map(to_idx, self.labels), strict=True))
        self.with_labels = replace(
            self.info,
            label_files=sources(self.label_content),
            read_labels=MNIST.read_labels,
        )

    def write_labels(self, folder):
        """Write both label files, uncompressed."""
        for name, content in self.label_content.items():
            (folder / name.removesuffix(".gz")).write_bytes(content)

    def write(self, folder, packed=True):
        """Write both files to `folder`; returns it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (self.packed if packed else self.plain).items():
            (folder / (name if packed else name.removesuffix(".gz"))).write_bytes(content)
        return folder


@pytest.fixture
def make_tiny():
    return Tiny


@pytest.fixture
def tiny():
    return Tiny()
