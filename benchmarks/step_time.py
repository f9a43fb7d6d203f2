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
from collections.abc import Callable
from pathlib import Path

import torch
from measure import peak_flops, print_machine, seconds_per_call, step_flops, usual_spec
from plain_loop import PlainLoop

from trainer.datasets import Dataset, load
from trainer.errors import MissingDataError
from trainer.spec import TrialSpec
from trainer.trial import Trial


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    rate = peak_flops()
    print_machine(rate)
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
    spec = usual_spec(data, network)
    ours, plain = _our_turn(spec, data), _plain_turn(spec, data)
    for turn in (ours, plain):
        turn()
    times = [(ours(), plain()) for _ in range(rounds)]
    our_time, plain_time = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(our / other for our, other in times)
    floor = step_flops(spec, data) / rate
    print(
        f"{network + '/' + data.name:16}{1e3 * our_time:9.3f}{1e3 * plain_time:9.3f}"
        f"{ratio:8.2f}{target:8.2f}{1e3 * floor:9.3f}"
    )


def _our_turn(spec: TrialSpec, data: Dataset) -> Callable[[], float]:
    trial = Trial(spec, data, torch.device("cpu"))
    state, step = trial.initial_state(), 0

    def take() -> None:
        nonlocal state, step
        state, _ = trial.advance(state, step)
        step += 1

    return lambda: seconds_per_call(take)


def _plain_turn(spec: TrialSpec, data: Dataset) -> Callable[[], float]:
    plain = PlainLoop(spec, data.image_shape)
    images = torch.from_numpy(data.train)

    def take() -> None:
        batch = torch.randint(0, len(images), (spec.batch_size,))
        plain.step(images[batch].float() / data.levels)

    return lambda: seconds_per_call(take)


if __name__ == "__main__":
    main()
