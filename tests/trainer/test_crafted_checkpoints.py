"""Checkpoints that no training wrote: they are passed over, and the trial ends with its bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from trainer.data import Dataset
from trainer.local_folder import LocalFolder
from trainer.step.trial import Trial
from trainer.training.checkpoint import Checkpoint, CheckpointFolder, _encode
from trainer.training.checkpoint_names import checkpoint_name
from trainer.training.loop import Hooks, train

CPU = torch.device("cpu")


@pytest.fixture
def trial(digits: Dataset, make_spec: Any) -> Trial:
    return Trial(make_spec(steps=20), digits, CPU)


def _parts(trial: Trial) -> tuple[dict[str, Tensor], dict[str, str]]:
    whole = _encode(Checkpoint(trial.initial_state(), 0, 1.0, []), trial.spec.trial_id)
    return safetensors.torch.load(whole), {
        "trial_id": trial.spec.trial_id,
        "seconds": "1.0",
        "step": "0",
    }


def _place(folder: Path, content: bytes) -> CheckpointFolder:
    folder.mkdir(exist_ok=True)
    (folder / checkpoint_name(10, content)).write_bytes(content)
    return CheckpointFolder(LocalFolder(folder), "")


def _latest(folder: Path, content: bytes, trial: Trial) -> Checkpoint | None:
    _place(folder, content)
    checkpoints = CheckpointFolder(LocalFolder(folder), trial.spec.trial_id)
    return checkpoints.latest(CPU, trial.initial_state(), trial.spec.steps)


def test_what_is_not_crafted_is_continued_from(trial: Trial, tmp_path: Path) -> None:
    assert _latest(tmp_path / "c", safetensors.torch.save(*_parts(trial)), trial) is not None


def test_a_tensor_that_is_missing_or_unlike_is_damage(trial: Trial, tmp_path: Path) -> None:
    tensors, metadata = _parts(trial)
    for name, value in tensors.items():
        without = {key: each for key, each in tensors.items() if key != name}
        crafts = [without, {**tensors, name: torch.zeros(3, 3, 3)}]
        if name != "curve":
            crafts.append({**tensors, name: value.to(torch.bfloat16)})
        for number, craft in enumerate(crafts):
            content = safetensors.torch.save(craft, metadata)
            assert _latest(tmp_path / f"{name} {number}", content, trial) is None, name


@pytest.mark.parametrize("name", ["more", "x.y", "buffers.more", "adam.more", "curve.x"])
def test_a_tensor_too_many_is_damage(name: str, trial: Trial, tmp_path: Path) -> None:
    tensors, metadata = _parts(trial)
    content = safetensors.torch.save({**tensors, name: torch.zeros(1)}, metadata)
    assert _latest(tmp_path / "c", content, trial) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": "[" * 100_000}, {"seconds": "NaN"}, {"seconds": "-1"}, {"seconds": '"1"'},
        {"step": "x"}, {"step": "9" * 30}, {"step": "5"}, {"trial_id": "another"},
    ],
)  # fmt: skip
def test_crafted_metadata_are_damage(changes: dict[str, str], trial: Trial, tmp_path: Path) -> None:
    tensors, metadata = _parts(trial)
    assert (
        _latest(tmp_path / "c", safetensors.torch.save(tensors, metadata | changes), trial) is None
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_curve_of_impossible_counts_is_damage(value: float, trial: Trial, tmp_path: Path) -> None:
    tensors, metadata = _parts(trial)
    curve = torch.full((3, 9), value, dtype=torch.float64)
    content = safetensors.torch.save({**tensors, "curve": curve}, metadata)
    assert _latest(tmp_path / "c", content, trial) is None


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8 + b"{}", (10**5).to_bytes(8, "little") + b"[" * 10**5]
)
def test_what_is_no_checkpoint_is_damage(content: bytes, trial: Trial, tmp_path: Path) -> None:
    assert _latest(tmp_path / "c", content, trial) is None


def test_a_step_beyond_the_last_is_damage(trial: Trial, tmp_path: Path) -> None:
    tensors, metadata = _parts(trial)
    tensors["step"] = torch.tensor(10**6)
    content = safetensors.torch.save(tensors, metadata | {"step": str(10**6)})
    assert _latest(tmp_path / "c", content, trial) is None


def test_a_trial_with_a_crafted_checkpoint_ends_with_its_bits(
    trial: Trial, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors, metadata = _parts(trial)
    tensors["parameters"] = torch.zeros(5)
    _place(tmp_path / "c", safetensors.torch.save(tensors, metadata))
    checkpoints = CheckpointFolder(LocalFolder(tmp_path / "c"), trial.spec.trial_id)
    crafted, undisturbed = train(trial, Hooks(checkpoints=checkpoints)), train(trial, None)
    assert torch.equal(crafted.state.parameters, undisturbed.state.parameters)
    assert "parameters is of shape torch.Size([5]) where" in caplog.text
