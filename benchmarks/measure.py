"""What the benchmarks share: the usual trial of a data set, its floor, and how a turn is timed."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import torch
from plain_loop import PlainLoop
from torch.utils.flop_counter import FlopCounterMode

from sweeper.environment import git_commit, hardware
from trainer.architectures import architecture
from trainer.datasets import Dataset, info
from trainer.spec import TrialSpec

TURN_SECONDS = 1.0


def print_machine(rate: float) -> None:
    """Say where, with what and from which commit the figures come."""
    print(
        f"{hardware()}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"commit {(git_commit() or 'none')[:20]}"
    )
    print(f"one thread; a 1024³ float32 product reaches {rate / 1e9:.0f} GFLOP/s\n")


def usual_spec(data: Dataset, network: str) -> TrialSpec:
    """Give a trial of the data set's own width, without an end."""
    return TrialSpec(
        dataset=data.name,
        dataset_sha256=data.sha256,
        architecture=network,
        layers=architecture(network).default_layers(data.image_shape),
        tau=info(data.name).image_shape[1] / 2,
        width=info(data.name).width,
        seed=0,
        steps=10**6,
    )


def seconds_per_call(call: Callable[[], None]) -> float:
    """Call it for a turn, and give the time of one call."""
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < TURN_SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - began) / calls


def step_flops(spec: TrialSpec, data: Dataset) -> int:
    """Count the arithmetic of a step as the plain loop does it."""
    plain = PlainLoop(spec, data.image_shape)
    with FlopCounterMode(display=False) as counter:
        plain.step(torch.rand(spec.batch_size, *data.image_shape))
    return int(counter.get_total_flops())


def peak_flops() -> float:
    """Measure the rate of a large matrix product, in operations a second."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - began)
    return 2 * 1024**3 / statistics.median(times)
