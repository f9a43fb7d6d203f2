"""Handwritten digits, 8×8: small enough to come with this package, so no network is needed.

Images and labels are those of scikit-learn's `load_digits` (see digits.LICENSE).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer.data.base import DatasetInfo, Images
from trainer.data.labels import Labels

_HOLD_OUT_EVERY = 5


def _read(_: Sequence[Path]) -> tuple[Images, Images]:
    return _split("images")


def _read_labels(_: Sequence[Path]) -> Labels:
    train, test = (labels.astype(np.int64) for labels in _split("labels"))
    return Labels(train, test)


def _split(name: str) -> tuple[Images, Images]:
    """Hold out every fifth image, so that both parts run through the whole set."""
    with np.load(Path(__file__).with_name("digits.npz")) as archive:
        values: Images = archive[name]
    held_out = np.arange(len(values)) % _HOLD_OUT_EVERY == _HOLD_OUT_EVERY - 1
    return values[~held_out], values[held_out]


DIGITS = DatasetInfo(
    name="digits",
    summary="1,797 handwritten digits, 8x8 grey (UCI, as in scikit-learn); built in",
    image_shape=(1, 8, 8),
    levels=16,
    architecture="dense",
    width=16,
    budgets={"quick": 4_000, "standard": 16_000, "paper": 45_000},
    default_taus="0.5..1..0.25,1.5..3..0.5",
    read=_read,
    read_labels=_read_labels,
)
