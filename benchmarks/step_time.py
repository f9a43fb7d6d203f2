"""Milliseconds of one training step, beside a plain PyTorch loop of the same model.

    python benchmarks/step_time.py [--rounds 9] [--data-dir DIR]

The two take turns in one process of one thread, so that a machine whose speed drifts is fair to
both; the ratio is the median over the turns. `floor` is the arithmetic of a step (counted by
torch) at the rate that a large matrix product reaches here, measured in the same run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from plain_loop import PlainLoop
from torch.utils.flop_counter import FlopCounterMode

from sweeper.environment import git_commit, hardware
from trainer.architectures import architecture
from trainer.datasets import Dataset, info, load
from trainer.errors import MissingDataError
from trainer.spec import TrialSpec
from trainer.trial import Trial

TURN_SECONDS = 1.0


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    print(
        f"{hardware()}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"commit {(git_commit() or 'none')[:20]}"
    )
    rate = _peak_flops()
    print(f"one thread; a 1024³ float32 product reaches {rate / 1e9:.0f} GFLOP/s\n")
    print(f"{'model':16}{'ours':>9}{'plain':>9}{'ratio':>8}{'target':>8}{'floor':>9}   ms a step")
    for dataset, network, target in (("digits", "dense", 1.05), ("mnist", "conv28", 0.80)):
        try:
            data = load(dataset, options.data_dir)
        except MissingDataError:
            print(f"{network}/{dataset}: skipped, {dataset} is not on disk")
            continue
        _row(data, network, target, rate, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _row(data: Dataset, network: str, target: float, rate: float, rounds: int) -> None:
    spec = _spec(data, network)
    ours, plain = _our_turn(spec, data), _plain_turn(spec, data)
    for turn in (ours, plain):
        turn()
    times = [(ours(), plain()) for _ in range(rounds)]
    our_time, plain_time = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(our / other for our, other in times)
    floor = _flops(spec, data) / rate
    print(
        f"{network + '/' + data.name:16}{1e3 * our_time:9.3f}{1e3 * plain_time:9.3f}"
        f"{ratio:8.2f}{target:8.2f}{1e3 * floor:9.3f}"
    )


def _spec(data: Dataset, network: str) -> TrialSpec:
    layers = architecture(network).default_layers(data.image_shape)
    return TrialSpec(
        dataset=data.name,
        dataset_sha256=data.sha256,
        architecture=network,
        layers=layers,
        tau=info(data.name).image_shape[1] / 2,
        width=info(data.name).width,
        seed=0,
        steps=10**6,
    )


def _our_turn(spec: TrialSpec, data: Dataset) -> Callable[[], float]:
    trial = Trial(spec, data, torch.device("cpu"))
    state, step = trial.initial_state(), 0

    def take() -> None:
        nonlocal state, step
        state, _ = trial.advance(state, step)
        step += 1

    return lambda: _seconds_per_call(take)


def _plain_turn(spec: TrialSpec, data: Dataset) -> Callable[[], float]:
    plain = PlainLoop(spec, data.image_shape)
    images = torch.from_numpy(data.train)

    def take() -> None:
        batch = torch.randint(0, len(images), (spec.batch_size,))
        plain.step(images[batch].float() / data.levels)

    return lambda: _seconds_per_call(take)


def _seconds_per_call(call: Callable[[], None]) -> float:
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < TURN_SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - began) / calls


def _flops(spec: TrialSpec, data: Dataset) -> int:
    plain = PlainLoop(spec, data.image_shape)
    with FlopCounterMode(display=False) as counter:
        plain.step(torch.rand(spec.batch_size, *data.image_shape))
    return int(counter.get_total_flops())


def _peak_flops() -> float:
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - began)
    return 2 * 1024**3 / statistics.median(times)


if __name__ == "__main__":
    main()
