"""What the benchmarks share: the usual trial of a data set, its floor, and how a turn is timed."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from plain_loop import PlainLoop
from torch.utils.flop_counter import FlopCounterMode

from sweeper.environment import git_commit, hardware
from trainer.data import DATASETS, Dataset, load
from trainer.errors import MissingDataError
from trainer.networks import NETWORKS
from trainer.objectives.state import TrainState
from trainer.spec import TrialSpec
from trainer.step.stepper import Stepper
from trainer.step.trial import Trial, on_device

TURN_SECONDS = 1.0

CALLS_AHEAD = 64
"""How far a device may lag behind the calls that are timed."""

CPU = torch.device("cpu")


def print_machine(rate: float) -> None:
    """Print machine, versions and commit that the figures come from."""
    print(
        f"{hardware()}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"commit {(git_commit() or 'none')[:20]}"
    )
    print(f"one thread; a 1024³ float32 product reaches {rate / 1e9:.0f} GFLOP/s\n")


def usual_models(data_dir: Path | None) -> Iterator[tuple[str, Dataset]]:
    """Return a small network and a convolutional one with their data, where that is on disk."""
    for network, dataset in (("dense", "digits"), ("conv28", "mnist")):
        try:
            data = load(dataset, data_dir)
        except MissingDataError:
            print(f"{network}/{dataset}: skipped, {dataset} is not on disk")
        else:
            yield network, data


def usual_spec(data: Dataset, network: str) -> TrialSpec:
    """Return a trial of the data set's own width, without an end."""
    return TrialSpec(
        dataset=data.name,
        dataset_sha256=data.sha256,
        architecture=network,
        layers=NETWORKS.find(network).default_layers(data.image_shape),
        tau=DATASETS.find(data.name).image_shape[1] / 2,
        width=DATASETS.find(data.name).width,
        seed=0,
        steps=10**6,
    )


def twins(spec: TrialSpec, data: Dataset, count: int, device: torch.device = CPU) -> list[Trial]:
    """Make trials of one kind, each of its own seed."""
    images = on_device(data.train, device)
    return [Trial(replace(spec, seed=seed), data, device, images=images) for seed in range(count)]


def plain_step(spec: TrialSpec, data: Dataset) -> Callable[[], None]:
    """Return a function that takes, with each call, a step of the hand-written loop."""
    plain, images = PlainLoop(spec, data.image_shape), torch.from_numpy(data.train)

    def take() -> None:
        batch = torch.randint(0, len(images), (spec.batch_size,))
        plain.step(images[batch].float() / data.levels)

    return take


class StepCaller:
    """Takes, with each call, the next step of all trials, from their first on."""

    def __init__(self, stepper: Stepper, trials: Sequence[Trial]) -> None:
        self._stepper = stepper
        self._joint = stepper.join([trial.initial_state() for trial in trials])
        self._steps = [0] * len(trials)

    def __call__(self) -> None:
        """Take a step of every trial."""
        self._joint, _ = self._stepper.advance(self._joint, self._steps)
        self._steps = [step + 1 for step in self._steps]

    def state(self, index: int) -> TrainState:
        """Return one trial's present state."""
        return self._stepper.split(self._joint, index)


def seconds_per_call(
    call: Callable[[], None],
    turn: float = TURN_SECONDS,
    finish: Callable[[], None] = lambda: None,
) -> float:
    """Call it for a turn, in seconds, and give the time of one call.

    Args:
        call: what is timed.
        turn: for how long.
        finish: waits for the device to have done what was called.
    """
    finish()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < turn:
        call()
        calls += 1
        if calls % CALLS_AHEAD == 0:
            finish()
    finish()
    return (time.perf_counter() - began) / calls


def step_flops(spec: TrialSpec, data: Dataset) -> int:
    """Count the arithmetic of a step as the plain loop does it."""
    plain = PlainLoop(spec, data.image_shape)
    with FlopCounterMode(display=False) as counter:
        plain.step(torch.rand(spec.batch_size, *data.image_shape))
    return int(counter.get_total_flops())


def peak_flops(
    size: int = 1024, device: torch.device = CPU, finish: Callable[[], None] = lambda: None
) -> float:
    """Measure the rate of a large matrix product, in operations a second."""
    a, b = torch.rand(2, size, size, device=device)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        torch.mm(a, b)
        finish()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(times)
