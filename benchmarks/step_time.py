"""Milliseconds of one training step, beside a plain PyTorch loop of the same model.

    python benchmarks/step_time.py [--rounds 9] [--data-dir DIR]

The two take turns in one process of one thread, so that a machine whose speed drifts is fair to
both; the ratio is the median over the turns. `floor` is the plain step's arithmetic (counted by
torch) at the rate that a large matrix product reaches here, measured in the same run; the folded
decoder of the convolutional networks needs less of it.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
from measure import (
    StepCaller,
    peak_flops,
    plain_step,
    print_machine,
    seconds_per_call,
    step_flops,
    twins,
    usual_models,
    usual_spec,
)

from trainer.data import Dataset
from trainer.step.stepper import make_stepper

TARGETS = {"dense": 1.05, "conv28": 0.80}


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    rate = peak_flops()
    print_machine(rate)
    print(f"{'model':16}{'ours':>9}{'plain':>9}{'ratio':>8}{'target':>8}{'floor':>9}   ms a step")
    for network, data in usual_models(options.data_dir):
        _row(data, network, rate, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _row(data: Dataset, network: str, rate: float, rounds: int) -> None:
    spec = usual_spec(data, network)
    trials = twins(spec, data, 1)
    steps = StepCaller(make_stepper(trials), trials), plain_step(spec, data)
    for step in steps:
        seconds_per_call(step)
    times = [tuple(map(seconds_per_call, steps)) for _ in range(rounds)]
    our_time, plain_time = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(our / other for our, other in times)
    floor = step_flops(spec, data) / rate
    print(
        f"{network + '/' + data.name:16}{1e3 * our_time:9.3f}{1e3 * plain_time:9.3f}"
        f"{ratio:8.2f}{TARGETS[network]:8.2f}{1e3 * floor:9.3f}"
    )


if __name__ == "__main__":
    main()
