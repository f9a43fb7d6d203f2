"""MNIST: handwritten digits, 28×28. The files are recognised by their uncompressed content."""

from __future__ import annotations

from trainer.data.base import DatasetInfo
from trainer.data.official.idx import read_image_pair, read_label_pair
from trainer.data.official.sources import SourceFile

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _file(name: str, size: int, sha256: str) -> SourceFile:
    urls = tuple(mirror + name for mirror in _MIRRORS)
    return SourceFile(name=name, urls=urls, size=size, digest=sha256)


MNIST = DatasetInfo(
    name="mnist",
    summary="70,000 handwritten digits, 28x28 grey (LeCun, Cortes and Burges)",
    image_shape=(1, 28, 28),
    levels=255,
    architecture="conv28",
    width=32,
    budgets={"quick": 12_000, "standard": 48_000, "paper": 1_875_000},
    paper_taus=(3, 4, 6, 8, 10, 14, 18, 22, 26, 30),
    default_taus="3..30..3",
    files=(
        _file(
            "train-images-idx3-ubyte.gz",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _file(
            "t10k-images-idx3-ubyte.gz",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
    ),
    read=read_image_pair,
    label_files=(
        _file(
            "train-labels-idx1-ubyte.gz",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _file(
            "t10k-labels-idx1-ubyte.gz",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    read_labels=read_label_pair,
)
