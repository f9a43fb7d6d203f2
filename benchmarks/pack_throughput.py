"""Trial-steps a second of trials that are trained together, by the size of the pack.

    python benchmarks/pack_throughput.py [--rounds 3] [--sizes 1,2,4,8,16,32] [--data-dir DIR]

The sizes take turns in one process of one thread. `1` is the step of a trial alone; the others are
the same step, vectorised. `times` compares with it, as the median over the turns; `of floor` is
the share of the rate at which a large matrix product would do the plain step's arithmetic.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from measure import (
    StepCaller,
    peak_flops,
    print_machine,
    seconds_per_call,
    step_flops,
    twins,
    usual_models,
    usual_spec,
)

from trainer.data import Dataset
from trainer.step.stepper import make_stepper


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    rate = peak_flops()
    print_machine(rate)
    print(f"{'model':16}{'pack':>6}{'trial-steps/s':>15}{'times':>8}{'of floor':>10}")
    for network, data in usual_models(options.data_dir):
        _rows(data, network, rate, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="1,2,4,8,16,32")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _rows(data: Dataset, network: str, rate: float, options: argparse.Namespace) -> None:
    sizes = [int(size) for size in options.sizes.split(",")]
    turns = {size: _turn(data, network, size) for size in sizes}
    for turn in turns.values():
        turn()
    rounds = [{size: size / turn() for size, turn in turns.items()} for _ in range(options.rounds)]
    floor = rate / step_flops(usual_spec(data, network), data)
    for size in sizes:
        speed = statistics.median(row[size] for row in rounds)
        times = statistics.median(row[size] / row[sizes[0]] for row in rounds)
        print(
            f"{network + '/' + data.name:16}{size:6}{speed:15.1f}{times:8.2f}{speed / floor:10.0%}"
        )


def _turn(data: Dataset, network: str, size: int) -> Callable[[], float]:
    trials = twins(usual_spec(data, network), data, size)
    take = StepCaller(make_stepper(trials), trials)
    return lambda: seconds_per_call(take)


if __name__ == "__main__":
    main()
