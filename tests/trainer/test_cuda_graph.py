"""The step in place: what it leaves is what the plain step gives, on CPU tensors and in a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from members import assert_same, hooks_in, interrupt, others, trials_of
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from trainer import TrialSpec, data
from trainer.data import Dataset
from trainer.objectives import OBJECTIVES
from trainer.objectives.state import TrainState
from trainer.step.cuda_graph import (
    WARM_UP_STEPS,
    InPlaceStep,
    InPlaceStepper,
    cuda_graph,
    eager,
    warm_up,
)
from trainer.step.pack import Pack
from trainer.step.random import BLOCK
from trainer.step.stepper import SingleStepper, Stepper, make_stepper
from trainer.step.trial import Trial
from trainer.training.loop import Hooks, Trained, train_together

Plain = Callable[[Sequence[Trial]], SingleStepper | Pack]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
plain_programs = pytest.mark.parametrize(
    "plain", [lambda trials: SingleStepper(trials[0]), Pack], ids=["solo", "pack"]
)


def _run(
    stepper: Stepper, states: Sequence[TrainState], starts: Sequence[int], count: int
) -> list[TrainState]:
    """Take `count` steps, of each trial from its own start on."""
    joint = stepper.join(states)
    for number in range(count):
        joint, _ = stepper.advance(joint, [start + number for start in starts])
    return [stepper.split(joint, index) for index in range(len(states))]


def _members(plain: Plain, trials: Sequence[Trial]) -> Sequence[Trial]:
    return trials if plain is Pack else trials[:1]


@plain_programs
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_steps_in_place_equal_the_plain_steps(
    objective: str, plain: Plain, kind: tuple[Dataset, TrialSpec]
) -> None:
    """To the bit, from block to block of what is drawn; observed on the way as well."""
    dataset, spec = kind
    specs = others(dataclasses.replace(spec, objective=objective))
    trials = _members(plain, trials_of(specs, dataset))
    states = [trial.initial_state() for trial in trials]
    one, other = plain(trials), InPlaceStepper(plain(trials), eager)
    joint, in_place = one.join(states), other.join(states)
    for step in range(300 if dataset.name == "digits" else BLOCK + 36):
        joint, measures = one.advance(joint, [step] * len(trials))
        in_place, seen = other.advance(in_place, [step] * len(trials))
        if step % 70 == 0:
            assert one.observe(joint, measures) == other.observe(in_place, seen)
    for index in range(len(trials)):
        assert_same(one.split(joint, index), other.split(in_place, index))
    assert 4 * BLOCK < 300


def test_members_continue_from_different_steps(digits: Dataset, make_spec: Any) -> None:
    """Their rows in what they draw differ, and each draws its next block at its own time."""
    starts = [0, BLOCK - 3, 2 * BLOCK + 10]
    trials = trials_of(others(make_spec(tau=10.0, batch_size=8)), digits)
    states = [trial.initial_state() for trial in trials]
    for index, (trial, start) in enumerate(zip(trials, starts, strict=True)):
        for step in range(start):
            states[index], _ = trial.advance(states[index], step)
    plain = _run(Pack(trials), states, starts, count=150)
    in_place = _run(InPlaceStepper(Pack(trials), eager), states, starts, count=150)
    for one, other, start in zip(plain, in_place, starts, strict=True):
        assert int(one.step) == start + 150
        assert_same(one, other)


@plain_programs
def test_a_split_state_is_not_changed_by_later_steps(
    plain: Plain, kind: tuple[Dataset, TrialSpec]
) -> None:
    """Further steps leave it alone, the states that were joined too, and it goes on by itself."""
    dataset, spec = kind
    trials = _members(plain, trials_of(others(spec), dataset))
    states = [trial.initial_state() for trial in trials]
    before = pytree.tree_map(torch.clone, states)
    stepper = InPlaceStepper(plain(trials), eager)
    joint = stepper.join(states)
    for step in range(20):
        joint, _ = stepper.advance(joint, [step] * len(trials))
    split = [stepper.split(joint, index) for index in range(len(trials))]
    kept = pytree.tree_map(torch.clone, split)
    for step in range(20, 40):
        joint, _ = stepper.advance(joint, [step] * len(trials))
    assert int(split[0].step) == 20
    for one, other in zip([*split, *states], [*kept, *before], strict=True):
        assert_same(one, other)
    went_on = _run(InPlaceStepper(plain(trials), eager), split, [20] * len(trials), count=20)
    for index, state in enumerate(went_on):
        assert_same(state, stepper.split(joint, index))


@plain_programs
def test_warming_up_changes_nothing(plain: Plain, digits: Dataset, make_spec: Any) -> None:
    trials = _members(plain, trials_of(others(make_spec(tau=10.0, batch_size=8)), digits))
    states = [trial.initial_state() for trial in trials]
    steps_taken = 0

    def record(step: InPlaceStep, tensors: Sequence[Tensor]) -> InPlaceStep:
        def counted() -> None:
            nonlocal steps_taken
            steps_taken += 1
            step()

        warm_up(counted, tensors)
        return step

    starts = [BLOCK - 1] * len(trials)
    warm = _run(InPlaceStepper(plain(trials), record), states, starts, count=30)
    cold = _run(InPlaceStepper(plain(trials), eager), states, starts, count=30)
    assert steps_taken == WARM_UP_STEPS
    for one, other in zip(warm, cold, strict=True):
        assert_same(one, other)


def test_whole_and_interrupted_trials_end_the_same_in_place(
    digits: Dataset, make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that end at different steps, stopped in the middle; curves and results alike."""
    specs = [
        dataclasses.replace(spec, steps=steps)
        for spec, steps in zip(
            others(make_spec(tau=10.0, batch_size=8)), (150, 40, 150), strict=True
        )
    ]
    plain = train_together(trials_of(specs, digits), [Hooks() for _ in specs])

    def in_place(trials: Sequence[Trial], *, compiled: bool) -> InPlaceStepper:
        return InPlaceStepper(Pack(trials) if len(trials) > 1 else SingleStepper(trials[0]), eager)

    monkeypatch.setattr("trainer.training.loop.make_stepper", in_place)
    _assert_same_ends(plain, train_together(trials_of(specs, digits), [Hooks() for _ in specs]))
    interrupt(specs, digits, tmp_path, after=100)
    hooks = [hooks_in(spec, tmp_path) for spec in specs]
    _assert_same_ends(plain, train_together(trials_of(specs, digits), hooks))


def _assert_same_ends(one: Sequence[Trained], other: Sequence[Trained]) -> None:
    for a, b in zip(one, other, strict=True):
        assert_same(a.state, b.state)
        assert [point._replace(seconds=0) for point in a.curve] == [
            point._replace(seconds=0) for point in b.curve
        ]
        assert a.result.test_sse_sampled == b.result.test_sse_sampled


class _NoLooks(TorchDispatchMode):
    """Refuses what a CUDA graph cannot repeat: a look at a value, or a tensor of the host."""

    LOOKS = ("_local_scalar_dense", "nonzero", "masked_select", "equal")

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = operation.overloadpacket.__name__
        assert name not in self.LOOKS, f"{name} waits for the device"
        out = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs, out)) if _is_tensor(leaf)]
        if name.startswith("index"):
            assert all(leaf.dtype != torch.bool for leaf in tensors[1:]), "a mask's size is a look"
        for tensor in tensors:  # one number of the host is an argument of the operation
            assert tensor.device.type == "meta" or not tensor.dim(), f"{name} on {tensor.device}"
        return out


class _NoLiterals(TorchFunctionMode):
    """Refuses a tensor of Python's own numbers, which would come from the host at each step."""

    LITERALS = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        assert function not in self.LITERALS, f"{function.__name__} brings numbers of the host"
        return function(*args, **(kwargs or {}))


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


@plain_programs
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("name", ["digits", "tiles", "sprites", "shades"])
def test_a_step_in_place_stays_on_its_device(
    name: str,
    objective: str,
    plain: Plain,
    make_spec: Any,
    blobs_spec: TrialSpec,
    shades: Dataset,
) -> None:
    """Stored and drawn images, dense and convolutional, on a device that has no values at all."""
    dataset = shades if name == "shades" else data.load(name)
    base = blobs_spec if name == "tiles" else make_spec()
    spec = dataclasses.replace(
        base, dataset=name, dataset_sha256=dataset.sha256, objective=objective
    )
    meta = torch.device("meta")
    trials = _members(plain, trials_of(others(spec), dataset, torch.float32, meta))
    stepper = InPlaceStepper(plain(trials), eager)
    stepper.join([trial.initial_state() for trial in trials])
    with _NoLooks(), _NoLiterals():  # which raise at what would leave it
        stepper.step_in_place()
    assert {tensor.device for tensor in stepper.tensors} == {meta}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda values: values.sum().item(),
        lambda values: values[values > 0],
        lambda values: values + torch.tensor([1.0, 2.0, 3.0], device=values.device),
        lambda values: values + torch.ones(3),
        lambda values: torch.ones(3).to(values.device),
    ],
)
def test_the_device_check_detects_what_it_is_for(wrong: Callable[[Tensor], object]) -> None:
    values = torch.ones(3, device="meta")
    with pytest.raises((AssertionError, RuntimeError)), _NoLooks(), _NoLiterals():
        wrong(values)


@needs_gpu
@plain_programs
def test_a_cuda_graph_equals_the_eager_step(plain: Plain, kind: tuple[Dataset, TrialSpec]) -> None:
    """In float64; the steps before and after a block's end, so that it draws between replays."""
    dataset, spec = kind
    trials = _members(plain, trials_of(others(spec), dataset, device=torch.device("cuda")))
    states = [trial.initial_state() for trial in trials]
    starts = [BLOCK - 5] * len(trials)
    eager = _run(plain(trials), states, starts, count=30)
    replayed = _run(InPlaceStepper(plain(trials), cuda_graph), states, starts, count=30)
    assert isinstance(make_stepper(trials), InPlaceStepper)
    for one, other in zip(eager, replayed, strict=True):
        assert_same(one, other, rtol=1e-7, atol=1e-9)


@needs_gpu
def test_a_trial_is_trained_on_a_gpu(digits: Dataset, make_spec: Any) -> None:
    specs = [make_spec(layers=(128, 64), width=16, tau=tau, steps=4000) for tau in (1.5, 3.0)]
    trials = trials_of(specs, digits, torch.float32, torch.device("cuda"))
    for trained in train_together(trials, [Hooks(), Hooks()]):
        assert trained.result.device.startswith("cuda")
        assert 1 <= trained.result.open_gates <= 6
