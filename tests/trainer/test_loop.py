"""Whole trials: the same bits again, from a checkpoint too, and every way to end."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from trainer import Status, TrialSpec
from trainer.data import Dataset
from trainer.local_folder import LocalFolder
from trainer.step.trial import Trial
from trainer.training.checkpoint import CheckpointFolder
from trainer.training.loop import Hooks, Interrupted, Trained, train

CPU = torch.device("cpu")


def _train(spec: TrialSpec, dataset: Dataset, hooks: Hooks | None = None) -> Trained:
    return train(Trial(spec, dataset, CPU), hooks)


def _assert_same_end(one: Trained, other: Trained) -> None:
    for a, b in zip(pytree.tree_leaves(one.state), pytree.tree_leaves(other.state), strict=True):
        assert torch.equal(a, b)
    timeless = {"seconds": 0.0, "steps_per_second": 0.0}
    assert dataclasses.replace(one.result, **timeless) == dataclasses.replace(
        other.result, **timeless
    )
    assert [point._replace(seconds=0) for point in one.curve] == [
        point._replace(seconds=0) for point in other.curve
    ]
    assert (one.samples["reconstructions"] == other.samples["reconstructions"]).all()


def test_the_same_spec_gives_the_same_bits(digits: Dataset, make_spec: Any) -> None:
    spec = make_spec(steps=130)
    _assert_same_end(_train(spec, digits), _train(spec, digits))


def test_another_seed_gives_other_results(digits: Dataset, make_spec: Any) -> None:
    one, other = (_train(make_spec(steps=20, seed=seed), digits) for seed in (0, 1))
    assert one.result.train_sse != other.result.train_sse


@pytest.mark.parametrize("network", ["dense", "conv28"])
def test_an_interrupted_trial_ends_with_identical_bits(
    network: str,
    digits: Dataset,
    blobs: Dataset,
    make_spec: Any,
    blobs_spec: TrialSpec,
    tmp_path: Path,
) -> None:
    """Stopped twice, within a block of noise and across an epoch's end, and continued."""
    dense = network == "dense"
    spec = make_spec(steps=150) if dense else dataclasses.replace(blobs_spec, steps=60)
    dataset = digits if dense else blobs
    whole = _train(spec, dataset)
    folder = CheckpointFolder(LocalFolder(tmp_path / "trial"), spec.trial_id)
    for allowed in (int(0.3 * spec.steps), int(0.4 * spec.steps)):
        asked = itertools.count()
        hooks = Hooks(checkpoints=folder, should_stop=lambda n=allowed, c=asked: next(c) >= n)
        with pytest.raises(Interrupted):
            _train(spec, dataset, hooks)
    _assert_same_end(whole, _train(spec, dataset, Hooks(checkpoints=folder)))


def test_checkpoints_are_kept_two_at_a_time_and_do_not_change_the_end(
    digits: Dataset, make_spec: Any, tmp_path: Path
) -> None:
    spec = make_spec(steps=50)
    folder = CheckpointFolder(LocalFolder(tmp_path), spec.trial_id)
    saved = _train(spec, digits, Hooks(checkpoints=folder, checkpoint_seconds=0))
    assert len(list(tmp_path.iterdir())) == 2
    _assert_same_end(saved, _train(spec, digits))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_after_a_damaged_checkpoint_the_one_before_is_used(
    damage: str, digits: Dataset, make_spec: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec(steps=50)
    folder = CheckpointFolder(LocalFolder(tmp_path), spec.trial_id)
    whole = _train(spec, digits, Hooks(checkpoints=folder, checkpoint_seconds=0))
    older, newest = sorted(tmp_path.iterdir())
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    newest.write_bytes({"truncated": content[:-9], "emptied": b""}.get(damage, bytes(content)))
    checkpoint = folder.latest(CPU)
    assert checkpoint is not None
    assert f"{checkpoint.step:012d}" == older.name[:12]
    assert "cannot be continued from" in caplog.text
    _assert_same_end(whole, _train(spec, digits, Hooks(checkpoints=folder)))


def test_with_all_checkpoints_damaged_the_trial_starts_again(
    digits: Dataset, make_spec: Any, tmp_path: Path
) -> None:
    spec = make_spec(steps=30)
    folder = CheckpointFolder(LocalFolder(tmp_path), spec.trial_id)
    whole = _train(spec, digits, Hooks(checkpoints=folder, checkpoint_seconds=0))
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing of use")
    _assert_same_end(whole, _train(spec, digits, Hooks(checkpoints=folder)))


def test_a_checkpoint_of_another_trial_is_passed_over(
    digits: Dataset, make_spec: Any, tmp_path: Path
) -> None:
    spec = make_spec(steps=20)
    folder = CheckpointFolder(LocalFolder(tmp_path), spec.trial_id)
    _train(spec, digits, Hooks(checkpoints=folder, checkpoint_seconds=0))
    assert CheckpointFolder(LocalFolder(tmp_path), "0123456789abcdef").latest(CPU) is None


def test_a_trial_that_explodes_is_diverged_and_ends_early(digits: Dataset, make_spec: Any) -> None:
    trained = _train(make_spec(learning_rate=1e18, steps=2000), digits)
    assert trained.result.status is Status.DIVERGED
    assert trained.result.open_gates is None
    assert "not finite" in trained.result.error
    assert trained.curve[-1].step < 2000


def test_an_unreachable_tau_is_infeasible_and_prunes_nothing(
    digits: Dataset, make_spec: Any
) -> None:
    trained = _train(make_spec(tau=0.01, steps=60), digits)
    assert trained.result.status is Status.INFEASIBLE
    assert trained.result.open_gates == 8
    assert trained.result.gate_l1 == pytest.approx(8 * 0.9498, abs=0.01)


def test_a_tau_above_the_mean_image_s_error_needs_no_latent(
    digits: Dataset, make_spec: Any
) -> None:
    trained = _train(make_spec(tau=8.0, steps=2500, learning_rate=3e-3), digits)
    assert trained.result.open_gates == 0
    assert trained.result.status is Status.FEASIBLE
    assert trained.result.test_sse_mean == pytest.approx(trained.result.test_sse_sampled)


def test_a_real_trial_prunes_while_it_holds_tau(digits: Dataset, make_spec: Any) -> None:
    spec = make_spec(layers=(128, 64), width=16, tau=1.5, steps=4000)
    result = _train(spec, digits).result
    assert result.status in (Status.FEASIBLE, Status.UNSETTLED)
    assert 3 <= result.open_gates <= 6
    assert result.constraint_ma <= 0.03 * 1.5
    assert result.train_sse == pytest.approx(1.5, rel=0.15)
    assert result.test_sse_mean < result.test_sse_sampled < 2.2


def test_the_curve_is_sampled_evenly_to_the_last_step(digits: Dataset, make_spec: Any) -> None:
    trained = _train(make_spec(steps=1003, layers=(8,)), digits)
    steps = [point.step for point in trained.curve]
    assert steps == [*range(2, 1003, 2), 1003]
    assert all(0 <= point.hit_rate <= 1 for point in trained.curve)


def test_changed_data_is_refused(digits: Dataset, make_spec: Any) -> None:
    with pytest.raises(ValueError, match="changed"):
        Trial(make_spec(dataset_sha256="0" * 64), digits, CPU)
