"""The model that is left: the same reconstructions through its open dimensions alone."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer import TrialSpec, UserError
from trainer.data import Dataset
from trainer.step.trial import Trial
from trainer.training.evaluation import samples
from trainer.training.export import load_model, model_file
from trainer.training.loop import train

CPU = torch.device("cpu")


@pytest.mark.parametrize("network", ["dense", "conv28"])
def test_a_loaded_model_reconstructs_as_the_trial_did(
    network: str, digits: Dataset, blobs: Dataset, make_spec: Any, blobs_spec: TrialSpec,
    tmp_path: Path,
) -> None:  # fmt: skip
    dense = network == "dense"
    spec = make_spec(steps=60) if dense else dataclasses.replace(blobs_spec, steps=40)
    trial = Trial(spec, digits if dense else blobs, CPU)
    state = train(trial).state
    state = state._replace(gate_logits=torch.tensor([1.0, -1, 1, -1, -1, -1, 1, -1]))
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_file(trial, state))
    model = load_model(path)
    shown = samples(trial, state)
    latents = model.encode(torch.from_numpy(shown["images"]) / 255)
    assert latents.shape == (8, 3)
    assert model.open_dimensions.tolist() == [0, 2, 6]
    # The kept images are rounded to 255 levels, which for `digits` moves them a little.
    expected = torch.from_numpy(shown["reconstructions"]) / 255
    torch.testing.assert_close(model.decode(latents), expected, atol=0.02, rtol=0)
    assert model.spec == spec


def test_a_model_with_another_digest_is_refused(
    digits: Dataset, make_spec: Any, tmp_path: Path
) -> None:
    trial = Trial(make_spec(steps=10), digits, CPU)
    content = bytearray(model_file(trial, train(trial).state))
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    load_model(path, digest)
    content[-1] ^= 1  # a weight
    path.write_bytes(content)
    load_model(path)
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        load_model(path, digest)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is not a model"):
        load_model(path)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a model"):
        load_model(tmp_path / "none.safetensors")
