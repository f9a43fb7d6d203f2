"""`--compile`: what is compiled, and what becomes of it where there is no compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import study

from sweeper.options import RunOptions, parse_compile
from sweeper.planning.compilation import settle_compile
from sweeper.planning.missing import Work
from sweeper.studies.base import Proposal
from sweeper.worker.compile import is_compiled
from trainer import TrialSpec, data
from trainer.errors import UserError
from trainer.step.compiled import check_compiler

SMALL = ("run", "pareto", "--taus", "2", "--steps", "60", "--layers", "16")


def _spec(**changes: Any) -> TrialSpec:
    digits = data.load("digits")
    fields: dict[str, Any] = {
        "dataset": "digits",
        "dataset_sha256": digits.sha256,
        "architecture": "dense",
        "layers": (16,),
        "tau": 2.0,
        "width": 16,
        "seed": 0,
        "steps": 40_000,
    }
    return TrialSpec(**(fields | changes))


@pytest.mark.parametrize(
    ("steps", "count", "device", "wish", "expected"),
    [
        (40_000, 1, "cpu", None, True),
        (4_000, 1, "cpu", None, False),
        (4_000, 1, "cpu", True, True),
        (40_000, 1, "cpu", False, False),
        (40_000, 2, "cpu", None, False),  # a pack
        (40_000, 1, "cuda", None, False),
    ],
)
def test_long_trials_alone_on_a_cpu_are_compiled(
    steps: int, count: int, device: str, wish: bool | None, expected: bool
) -> None:
    assert is_compiled([_spec(steps=steps)] * count, device, wish) is expected


def test_the_option_is_read() -> None:
    assert [parse_compile(text) for text in ("auto", "on", "off")] == [None, True, False]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--compile", "yes"), "--compile must be auto, on, off, found 'yes'"),
        (("--compile", "on", "--pack", "4"), "found --pack 4"),
    ],
)
def test_what_cannot_be_compiled_is_refused(
    flags: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    ran = study.here(*SMALL, *flags, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert words in ran.stderr
    assert not list(tmp_path.iterdir())


def test_compile_on_is_refused_without_a_compiler(tmp_path: Path) -> None:
    ran = study.here(*SMALL, "--compile", "on", cwd=tmp_path, CXX="/nowhere/c++")
    assert ran.returncode == 2, ran.stderr
    assert "error: the training step cannot be compiled" in ran.stderr
    assert "/nowhere/c++" in ran.stderr
    assert not list(tmp_path.iterdir())


def _settle(*specs: TrialSpec, pack: int = 1, device: str = "cpu", **options: Any) -> Any:
    work = Work(Proposal(specs), missing=specs)
    return settle_compile(RunOptions(**options), work, device, pack)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "/nowhere/c++")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_compile_auto_trains_plain_steps_without_a_compiler_and_says_so() -> None:
    wish, note = _settle(_spec())
    assert wish is False
    assert "/nowhere/c++" in note
    assert note.endswith("trials are trained without, which takes longer")


@pytest.mark.usefixtures("no_compiler")
def test_a_compiler_is_tried_only_where_something_is_to_be_compiled() -> None:
    short, long = _spec(steps=4_000), _spec()
    assert _settle(short) == (False, "")
    assert _settle(long, pack=4) == (False, "")  # and so a pack of one is not compiled either
    assert _settle(long, device="cuda") == (False, "")
    assert _settle(long, compile=False) == (False, "")
    assert _settle(long, address="auto") == (False, "")
    assert _settle(long, address="auto", compile=True) == (True, "")  # its nodes are asked


def test_compile_on_is_refused_where_the_cluster_has_gpus(no_compiler: None) -> None:
    with pytest.raises(UserError, match="--compile on is for CPUs"):
        _settle(_spec(), device="cuda", address="auto", compile=True)


@pytest.fixture
def compiler() -> None:
    try:
        check_compiler()
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_compile_auto_tries_the_step_of_the_trial_itself(tmp_path: Path) -> None:
    assert _settle(_spec()) == (None, "")
    wish, note = _settle(_spec(dataset_sha256="0" * 64))
    assert (wish, "data set 'digits' changed" in note) == (False, True)


@study.starts_ray
@pytest.mark.usefixtures("compiler")
def test_the_ledger_says_which_trials_were_compiled(tmp_path: Path) -> None:
    """Under Ray, in this process, and in neither by itself, so short is it."""
    compiled = {}
    for choice, backend in (("on", "ray"), ("on", "local"), ("off", "local"), ("auto", "local")):
        place = tmp_path / f"{choice}-{backend}"
        command = (*SMALL, "--compile", choice, "--backend", backend, "--study", str(place))
        run = study.sweeper if backend == "ray" else study.here
        ran = run(*command, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        (row,) = study.rows(place)
        compiled[choice, backend] = row["compiled"], row["test_sse_sampled"]
    assert compiled["on", "ray"] == compiled["on", "local"]
    assert [each for each, _ in compiled.values()] == [True, True, False, False]
