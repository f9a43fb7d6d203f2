"""One finished study that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
import study

SMALL = ("--taus", "2,3", "--steps", "400", "--layers", "16")
"""Two trials of a second each."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials, trained without a disturbance by the in-process backend."""
    folder = tmp_path_factory.mktemp("finished")
    ran = study.sweeper("run", "pareto", *SMALL, "--backend", "local", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "studies" / "pareto-digits"
