"""What the sweep that is disturbed comes to undisturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import LOCAL, OFTEN, checkpoints
from study import here, kill_all, start, wait_for


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of `faults.QUESTION`."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ran = here(*LOCAL, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "s"


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose run was killed when its first trial had two checkpoints."""
    folder = tmp_path_factory.mktemp("killed")
    process = start(*LOCAL, *OFTEN, cwd=folder)
    wait_for(lambda: len(checkpoints(folder / "s")) == 2)
    kill_all(process)
    return folder / "s"
