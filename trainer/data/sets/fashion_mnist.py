"""Fashion-MNIST: clothes, 28×28. Hashes are published for the compressed files only."""

from __future__ import annotations

from trainer.data.base import DatasetInfo
from trainer.data.official.idx import read_image_pair, read_label_pair
from trainer.data.official.sources import SourceFile

_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    # The publisher's own address; an S3 website has no https.
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


def _file(name: str, size: int, md5: str) -> SourceFile:
    urls = tuple(mirror + name for mirror in _MIRRORS)
    return SourceFile(
        name=name, urls=urls, size=size, digest=md5, algorithm="md5", of_content=False
    )


FASHION_MNIST = DatasetInfo(
    name="fashion-mnist",
    summary="70,000 pieces of clothing, 28x28 grey (Zalando)",
    image_shape=(1, 28, 28),
    levels=255,
    architecture="conv28",
    width=32,
    budgets={"quick": 12_000, "standard": 48_000, "paper": 1_875_000},
    default_taus="6..36..6",
    files=(
        _file("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _file("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    ),
    read=read_image_pair,
    label_files=(
        _file("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        _file("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    read_labels=read_label_pair,
)
