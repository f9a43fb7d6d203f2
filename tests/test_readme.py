"""The README's commands are run, and what it points to is there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from study import as_it_was, here

from trainer import data
from trainer.data.official.sources import locate, search_folders

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def _has_mnist() -> bool:
    folders = search_folders("mnist", None)
    return all(locate(file, folders) for file in data.DATASETS.find("mnist").files)


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "sweeper"]


@pytest.mark.parametrize("arguments", _commands(), ids=" ".join)
def test_a_command_of_the_readme_works(
    arguments: list[str], finished: Path, tmp_path: Path
) -> None:
    """Sweeps are planned, not trained; what only looks is run as it stands."""
    shutil.copytree(finished, tmp_path / "studies" / "pareto-digits")
    if "mnist" in arguments and not _has_mnist():
        pytest.skip("MNIST is not on disk")
    if arguments[0] == "run":
        arguments = [part for part in arguments if part not in ("--address", "auto")]
        arguments = [*arguments, "--dry-run", "--backend", "local"]
    ran = here(*arguments, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_its_python_loads_a_model(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = _python("load_model")
    monkeypatch.chdir(finished.parent.parent)
    model = next((finished / "models").iterdir())
    names: dict[str, Any] = {}
    exec(re.sub(r'"studies/.*?"', repr(str(model)), block), names)
    assert names["again"].shape == names["images"].shape
    assert len(names["latents"]) == 359


def test_its_python_runs_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = _python("run_study")
    monkeypatch.chdir(tmp_path)
    with as_it_was():
        exec(block, {})
    assert "RunSummary(outcome='done', trained=3" in capsys.readouterr().out
    assert len(list((tmp_path / "studies" / "pareto-digits" / "trials").iterdir())) == 3


def _python(name: str) -> list[str]:
    """Return the README's blocks of Python that use a name."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    return [block for block in blocks if name in block]


def test_there_are_commands_to_test() -> None:
    assert len(_commands()) >= 7


@pytest.mark.parametrize(
    "path",
    sorted(
        set(re.findall(r"`((?:trainer|sweeper|analysis|tests|benchmarks)/[\w/.]*)`", README))
        | set(re.findall(r"\]\((?!http)([\w/.]+)\)", README))
    ),
)
def test_what_it_points_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("registry", "path"), re.findall(r"`([A-Z]{5,})` in `([\w/.]+)`", README))
def test_each_registry_is_where_it_says(registry: str, path: str) -> None:
    assert re.search(rf"^{registry}\b.*=", (ROOT / path).read_text(), flags=re.MULTILINE)


def test_the_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)\b", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
