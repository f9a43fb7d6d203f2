"""`python -m trainer`: a spec as JSON in, the result as JSON out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from members import hooks_in, interrupt

from trainer.__main__ import main
from trainer.data import Dataset
from trainer.step.trial import Trial
from trainer.training.loop import train


@pytest.fixture
def spec_file(make_spec: Any, tmp_path: Path) -> Any:
    def write(**changes: Any) -> str:
        path = tmp_path / "spec.json"
        fields = json.loads(make_spec(steps=40).to_json()) | changes
        path.write_text(json.dumps(fields))
        return str(path)

    return write


def test_the_result_is_that_of_the_trial(
    digits: Dataset, make_spec: Any, spec_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([spec_file(), "--device", "cpu"]) == 0
    printed = json.loads(capsys.readouterr().out)
    result = train(Trial(make_spec(steps=40), digits, torch.device("cpu"))).result
    for name in ("test_sse_sampled", "test_sse_mean", "open_gates", "status", "device"):
        assert printed[name] == getattr(result, name)


def test_standard_input_is_read_and_a_value_that_is_not_finite_is_null(
    make_spec: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(steps=40, learning_rate=1e30)
    monkeypatch.setattr(sys, "stdin", io.StringIO(spec.to_json()))
    assert main(["-", "--device", "cpu"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "diverged"
    assert printed["test_sse_mean"] is None


def test_a_trial_goes_on_from_its_checkpoints(
    digits: Dataset,
    make_spec: Any,
    spec_file: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, spec = tmp_path / "checkpoints", make_spec(steps=40)
    interrupt([spec], digits, folder, after=20, dtype=torch.float32)
    assert main([spec_file(), "--device", "cpu"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert main([spec_file(), "--device", "cpu", "--checkpoints", str(folder)]) == 0
    went_on = json.loads(capsys.readouterr().out)
    assert went_on["test_sse_sampled"] == whole["test_sse_sampled"]
    checkpoints = hooks_in(spec, folder).checkpoints
    assert checkpoints is not None
    saved = checkpoints.latest(torch.device("cpu"))
    assert saved is not None
    assert saved.step == 20


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        ({"tau": 0}, (), "tau must be above 0"),
        ({"width": 100_000_000_000_000}, (), "width"),
        ({"dataset": "digit", "dataset_sha256": "ab" * 32}, (), "did you mean 'digits'?"),
        ({"dataset_sha256": "ab" * 32}, (), "'digits' changed"),
        ({"dataset_sha256": "../x"}, (), "64 hexadecimal digits"),
        ({"objective": "x"}, (), "unknown objective"),
        ({"architecture": "conv82"}, (), "did you mean 'conv28'"),
        ({"colour": "red"}, (), "is not the JSON of a TrialSpec"),
        ({"layers": 3}, (), "is not the JSON of a TrialSpec"),
        ({}, ("--device", "gpu"), "unknown device"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    changes: dict[str, Any], flags: tuple[str, ...], words: str, spec_file: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main([spec_file(**changes), *flags]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert words in shown.err


@pytest.mark.parametrize("content", ["", "no json", "[1]", "3", "{}"])
def test_what_is_no_spec_is_refused_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spec.json"
    path.write_text(content)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path} is not the JSON of a TrialSpec: ")
    assert error.count("\n") == 1


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(("flags", "name"), [((), "tf32"), (("--strict-float32",), "ieee")])
def test_the_precision_flag_is_set(flags: tuple[str, ...], name: str, spec_file: Any) -> None:
    assert main([spec_file(steps=2), *flags]) == 0
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    assert {matmul.fp32_precision, conv.fp32_precision} == {name}


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"ray", "pandas", "pyarrow", "matplotlib", "safetensors", "typer",
                                  "rich", "optuna", "scipy", "h5py", "sklearn", "sweeper"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from trainer.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_torch_and_numpy_are_enough(spec_file: Any) -> None:
    command = [sys.executable, "-c", WITHOUT, spec_file(), "--device", "cpu"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["device"] == "cpu"
