"""An objective and a data set of the user's own.

The objective is Algorithm 1, but raises at step 700 where τ is 3, unless MENDED is set. The data
set's official files are those of the version that VERSION names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct

import numpy as np

from trainer.data import DATASETS
from trainer.data.official.sources import SourceFile
from trainer.data.sets.mnist import MNIST
from trainer.networks.network import Network
from trainer.objectives import OBJECTIVES, Step
from trainer.objectives.geco_l0_arm import GECO_L0_ARM

FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def official(version: int) -> dict[str, bytes]:
    """Return the data set's files, by name."""
    random = np.random.default_rng(version)
    return {
        name: struct.pack(">HBB3I", 0, 8, 3, count, 28, 28)
        + random.integers(0, 256, (count, 28, 28), np.uint8).tobytes()
        for name, count in zip(FILES, (640, 32), strict=True)
    }


def faulty(network: Network) -> Step:
    """Bind the step to a network."""
    step = GECO_L0_ARM.step(network)

    def raising(constants, state, images, noise, grad_and_value):  # type: ignore[no-untyped-def]
        if int(state.step) == 700 and float(constants.tau) == 3 and "MENDED" not in os.environ:
            raise ArithmeticError("the objective's own error")
        return step(constants, state, images, noise, grad_and_value)

    return raising


def plug_in() -> None:
    """Add both to the registries of this process."""
    OBJECTIVES["faulty"] = dataclasses.replace(GECO_L0_ARM, name="faulty", step=faulty)
    DATASETS["letters"] = dataclasses.replace(
        MNIST,
        name="letters",
        label_files=(),
        read_labels=None,
        architecture="dense",
        files=tuple(
            SourceFile(
                name=name, urls=(), size=len(content), digest=hashlib.sha256(content).hexdigest()
            )
            for name, content in official(int(os.environ.get("VERSION", "0"))).items()
        ),
    )
