"""The compiled step: in float64 the plain one, and the same bits wherever it is compiled."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from members import CPU, assert_same, hooks_in, interrupt, trials_of

from trainer import TrialSpec
from trainer.data import Dataset
from trainer.errors import UserError
from trainer.objectives import OBJECTIVES
from trainer.objectives.state import TrainState
from trainer.step.compiled import check_compiler, compiled_step
from trainer.step.stepper import SingleStepper, Stepper, make_stepper
from trainer.step.trial import Trial
from trainer.training.loop import Hooks, Trained, train_together

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def compiler() -> None:
    try:
        check_compiler()
    except UserError as error:
        pytest.skip(str(error))


def _states(stepper: Stepper, trial: Trial, count: int) -> list[TrainState]:
    joint, states = stepper.join([trial.initial_state()]), []
    for step in range(count):
        joint, _ = stepper.advance(joint, [step])
        states.append(stepper.split(joint, 0))
    return states


def _train(spec: TrialSpec, dataset: Dataset, hooks: Hooks | None = None) -> Trained:
    trial = Trial(spec, dataset, CPU)
    (trained,) = train_together([trial], [hooks or Hooks()], compiled=True)
    return trained


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_the_compiled_step_equals_the_plain_step(
    objective: str, kind: tuple[Dataset, TrialSpec]
) -> None:
    dataset, spec = kind
    (trial,) = trials_of([dataclasses.replace(spec, objective=objective)], dataset)
    compiled = _states(make_stepper([trial], compiled=True), trial, 30)
    for one, other in zip(compiled, _states(SingleStepper(trial), trial, 30), strict=True):
        assert_same(one, other, rtol=1e-7, atol=1e-9)


def test_the_compiled_step_accepts_images_in_another_layout(
    shades: Dataset, make_spec: Any
) -> None:
    """Batches come with their colours innermost; the state comes from anywhere."""
    changes = {"architecture": "conv64", "layers": (4, 4, 4, 4), "batch_size": 8}
    spec = make_spec(dataset="shades", dataset_sha256=shades.sha256, **changes)
    (trial,) = trials_of([spec], shades)
    (one,), (other,) = (
        _states(stepper, trial, 1)
        for stepper in (make_stepper([trial], compiled=True), SingleStepper(trial))
    )
    ours, plain = one.adam.first_moment, other.adam.first_moment
    assert float((ours - plain).norm() / plain.norm()) < 1e-9
    for name, value in other.buffers.items():
        torch.testing.assert_close(one.buffers[name], value)


def test_trials_of_one_kind_share_a_compiled_step(digits: Dataset, make_spec: Any) -> None:
    """What they differ in are arguments: each is trained with its own."""
    specs = [make_spec(), make_spec(tau=3.0, seed=5, k=5.0, lambda_max=2.0, learning_rate=1e-2)]
    one, other = trials_of(specs, digits)
    assert compiled_step(one) is compiled_step(other)
    assert compiled_step(one) is not compiled_step(trials_of(specs[:1], digits, torch.float32)[0])
    steppers = SingleStepper(other, compiled_step(one)), SingleStepper(other)
    states = [_states(stepper, other, 30)[-1] for stepper in steppers]
    assert_same(*states, rtol=1e-7, atol=1e-9)


def test_a_compiled_trial_resumes_to_identical_bits(
    blobs: Dataset, blobs_spec: TrialSpec, tmp_path: Path
) -> None:
    whole = _train(blobs_spec, blobs)
    assert whole.result.compiled
    after = blobs_spec.steps // 2 + 7
    interrupt([blobs_spec], blobs, tmp_path, after, torch.float32, compiled=True)
    went_on = _train(blobs_spec, blobs, hooks_in(blobs_spec, tmp_path))
    assert_same(went_on.state, whole.state)
    assert [point.sse for point in went_on.curve] == [point.sse for point in whole.curve]


SCRIPT = """
import sys, torch
from trainer import TrialSpec
from trainer import data
from trainer.training.loop import Hooks, train_together
from trainer.step.trial import Trial
torch.set_num_threads(1)
trial = Trial(TrialSpec.from_json(sys.argv[1]), data.load("digits"), torch.device("cpu"))
(trained,) = train_together([trial], [Hooks()], compiled=True)
print(trained.state.parameters.numpy().tobytes().hex())
"""


def test_another_process_gets_identical_bits(
    digits: Dataset, make_spec: Any, tmp_path: Path
) -> None:
    """With nothing kept from before: a machine that went on with a trial would do so too."""
    spec = make_spec()
    elsewhere = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, spec.to_json()],
        env=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.iterdir())
    assert ran.stdout.strip() == _train(spec, digits).state.parameters.numpy().tobytes().hex()


def test_compiled_code_is_kept_in_the_users_cache() -> None:
    cache = Path(os.environ["XDG_CACHE_HOME"])
    assert list((cache / "bottleneck-sweeper").glob("compiled-*/*"))


def test_a_step_that_reads_a_value_is_refused(
    digits: Dataset, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(make_spec(width=5), digits, CPU)
    plain = trial.pure_step

    def looking(constants: Any, *others: Any) -> Any:
        return plain(constants, *others) if constants.tau.item() > 0 else None

    monkeypatch.setattr(trial, "pure_step", looking)
    with pytest.raises(UserError, match=r"step cannot be compiled: .*use --compile off"):
        compiled_step(trial)


def test_a_miscompiled_step_is_refused(
    blobs: Dataset, blobs_spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch 2.13 made one of 64×64 images with its heuristics for tiles."""

    def wrong(trial: Trial) -> Any:
        def take(*arguments: Any) -> Any:
            state, measures = trial.pure_step(*arguments)
            buffers = {
                name: 1.1 * value if value.is_floating_point() else value
                for name, value in state.buffers.items()
            }
            return state._replace(buffers=buffers), measures

        return take

    monkeypatch.setattr("trainer.step.compiled._compile", wrong)
    trial = Trial(dataclasses.replace(blobs_spec, width=5), blobs, CPU)
    with pytest.raises(UserError, match=r"compiled wrongly \(its statistics differ by 10.0%"):
        compiled_step(trial)
