"""What is made once for all cases: small real studies, a small data set, warm caches."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import os
import pkgutil
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.values import SECRET

SMALL = "small"
"""Trained at the beginning: four trials that have ended, and one that was interrupted."""
KEPT_STUDIES = Path(__file__).parents[2] / "tests" / "kept" / "e99f3ba"
KEPT = ("pareto", "trajectory", "compare", "compression")
"""Of an earlier version; `pareto` has a volume too."""


def import_everything() -> None:
    """Import all that the cases need, but for Ray, so that a forked process has it at once.

    Raises:
        RuntimeError: if that started a thread, which a forked process would not have.
    """
    for package in ("trainer", "sweeper", "analysis"):
        _import_all_of(package)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"{threads} threads after the imports, expected 1")


def _import_all_of(package: str) -> None:
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not module.name.startswith("sweeper.backends.ray") and "__main__" not in module.name:
            importlib.import_module(module.name)


def add_letters() -> None:
    """Add a data set of a few images, whose official files are those of `write_letters`."""
    from trainer.data import DATASETS
    from trainer.data.official.sources import SourceFile
    from trainer.data.sets.mnist import MNIST

    files = tuple(
        SourceFile(
            name=name, urls=("http://127.0.0.1:9/x",), size=len(content), digest=_sha(content)
        )
        for name, content in _letters().items()
    )
    DATASETS["letters"] = dataclasses.replace(
        MNIST, name="letters", label_files=(), read_labels=None, architecture="dense", files=files
    )


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _letters() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    return {
        name: struct.pack(">HBB3I", 0, 8, 3, count, 28, 28)
        + random.integers(0, 256, (count, 28, 28), np.uint8).tobytes()
        for name, count in (("train-images-idx3-ubyte", 64), ("t10k-images-idx3-ubyte", 16))
    }


def build(base: Path) -> None:
    """Make the studies and the user's home that each case gets a copy of.

    The caller's working folder and environment are changed: call it in a process of its own.
    """
    home = base / "home"
    os.environ |= {"HOME": str(home), "SWEEPER_DATA": str(base / "data")}
    for name in KEPT:
        shutil.copytree(KEPT_STUDIES / name, base / "studies" / name)
    _train(base / "studies" / SMALL)
    data = base / "data" / "letters"
    data.mkdir(parents=True)
    for name, content in _letters().items():
        (data / name).write_bytes(content)
    _warm_caches()
    (home / "google.json").write_text(f'{{"private_key": "{SECRET}"}}')
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {SECRET}\naws_secret_access_key = {SECRET}\n"
    )


def _train(folder: Path) -> None:
    """Train the small study, and stop it as its last trial, of another τ, begins."""
    from analysis import StudyData, compute_report, write_report
    from sweeper.ledger.ledger import Ledger
    from sweeper.messages import Started
    from sweeper.options import RunOptions
    from sweeper.run.run import run_study
    from sweeper.studies.pareto import ParetoOptions, plan
    from sweeper.studies.setup import TrainingOptions
    from trainer import data

    def stop_at_the_last(event: Any) -> None:
        if isinstance(event, Started) and event.spec.tau == 3:
            os.kill(os.getpid(), signal.SIGINT)

    options = RunOptions(backend="local", folder=str(folder), compile=False, command="sweeper run")
    training = TrainingOptions(steps=120, layers="16")
    for taus in ("1,2", "3"):
        asked = plan(ParetoOptions(taus=taus, seeds="2"), training, data.load)
        run_study(asked, options, stop_at_the_last)
    write_report(compute_report(StudyData.read(Ledger(folder))))


def _warm_caches() -> None:
    """Convert the data set, and let matplotlib find its fonts, in the home of the round."""
    import matplotlib.font_manager

    from trainer import data

    data.load("letters")
    matplotlib.font_manager._load_fontmanager(try_read_cache=False)
