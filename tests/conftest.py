"""What the tests of all packages share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import study


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, where they share its fixtures."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep conversions and downloads out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        if "SWEEPER_DATA" in os.environ:  # the tests' commands run in folders of their own
            patch.setenv("SWEEPER_DATA", str(Path(os.environ["SWEEPER_DATA"]).resolve()))
        yield


@pytest.fixture(autouse=True)
def compiler_cache() -> Iterator[None]:
    """Leave open for the next test where compiled code is kept: whoever compiles first says so."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    yield
    if before is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = before


@pytest.fixture
def precision() -> Iterator[None]:
    """Leave the process, whose precision a test sets, as it was."""
    import torch

    matmul, conv = torch.get_float32_matmul_precision(), torch.backends.cudnn.conv.fp32_precision
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.conv.fp32_precision = conv


SMALL = ("--taus", "2,3", "--steps", "400", "--layers", "16")
"""Two trials of a second each."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials, trained without a disturbance by the in-process backend."""
    folder = tmp_path_factory.mktemp("finished")
    ran = study.here("run", "pareto", *SMALL, "--backend", "local", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "studies" / "pareto-digits"
