"""Trial-steps a second of a whole CPU: as many processes of one thread as it has cores.

    python benchmarks/two_processes.py [--rounds 5] [--data-dir DIR]

All processes take the same turn at the same time, and the variants take turns, so that a machine
whose speed drifts is fair to all. `plain` is an eager PyTorch loop (NCHW); `ours` is what a worker
does with short trials, and `compiled` with long ones; `packed` trains eight trials in each process;
`bf16` is ours under autocast. `after` is the number of steps from which compiling has paid for
itself in a process that finds nothing compiled before, and `error` the relative error of the
network's gradient at the first step, against the same step in float64.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
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

from sweeper.environment import cores
from trainer.data import Dataset, load
from trainer.objectives.state import Noise
from trainer.step.compiled import compiled_step
from trainer.step.stepper import make_stepper
from trainer.step.trial import Trial

CPU = torch.device("cpu")
TARGETS = {"dense": 1.5, "conv28": 2.0}
PACK = 8


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    rate = peak_flops()
    print_machine(rate)
    print(
        f"{'model':14}{'variant':>10}{'steps/s':>9}{'times':>7}{'target':>8}{'of floor':>10}"
        f"{'after':>9}{'error':>10}"
    )
    # Empty, so that the time to compile is that of the first time.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        _tables(rate, options)


def _tables(rate: float, options: argparse.Namespace) -> None:
    for network, data in usual_models(options.data_dir):
        floor = cores() * rate / step_flops(usual_spec(data, network), data)
        _rows(data, network, floor, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _rows(data: Dataset, network: str, floor: float, options: argparse.Namespace) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(cores()):
        ours, theirs = context.Pipe()
        work = (theirs, data.name, options.data_dir, network)
        context.Process(target=_serve, args=work, daemon=True).start()
        pipes.append(ours)
    prepared = {name: _ask(pipes, name) for name in VARIANTS}
    rounds = [{name: sum(_ask(pipes, name)) for name in VARIANTS} for _ in range(options.rounds)]
    for name in VARIANTS:
        speed = statistics.median(row[name] for row in rounds)
        times = statistics.median(row[name] / row["plain"] for row in rounds)
        target = f"{TARGETS[network]:8}" if name == "compiled" else f"{'':8}"
        print(
            f"{network + '/' + data.name:14}{name:>10}{speed:9.1f}{times:7.2f}{target}"
            f"{speed / floor:10.0%}{_pays_after(name, prepared, rounds):>9}"
            f"{_error(name, data, network):>10}",
            flush=True,
        )
    for pipe in pipes:
        pipe.send(None)


def _ask(pipes: list[Connection], name: str) -> list[float]:
    """Have all processes take a turn; at the first, each says how long it prepared."""
    for pipe in pipes:
        pipe.send(name)
    return [pipe.recv() for pipe in pipes]


def _serve(pipe: Connection, dataset: str, data_dir: Path | None, network: str) -> None:
    torch.set_num_threads(1)
    data = load(dataset, data_dir)
    turns: dict[str, Callable[[], float]] = {}
    while (name := pipe.recv()) is not None:
        if name in turns:
            pipe.send(turns[name]())
            continue
        began = time.perf_counter()
        size, take = VARIANTS[name](data, network)
        take()
        pipe.send(time.perf_counter() - began)
        turns[name] = partial(_steps_per_second, size, take)


def _steps_per_second(size: int, take: Callable[[], None]) -> float:
    return size / seconds_per_call(take)


Variant = tuple[int, Callable[[], None]]
"""How many trials it trains, and one step of all of them."""


def _plain(data: Dataset, network: str) -> Variant:
    return 1, plain_step(usual_spec(data, network), data)


def _ours(data: Dataset, network: str, size: int = 1, *, compiled: bool = False) -> Variant:
    trials = twins(usual_spec(data, network), data, size)
    return size, StepCaller(make_stepper(trials, compiled=compiled), trials)


def _bf16(data: Dataset, network: str) -> Variant:
    size, take = _ours(data, network)
    return size, torch.autocast("cpu", torch.bfloat16)(take)


VARIANTS: dict[str, Callable[[Dataset, str], Variant]] = {
    "plain": _plain,
    "ours": _ours,
    "compiled": partial(_ours, compiled=True),
    "packed": partial(_ours, size=PACK),
    "bf16": _bf16,
}


def _pays_after(name: str, prepared: dict[str, list[float]], rounds: list[dict[str, float]]) -> str:
    if name != "compiled":
        return ""
    mine, others = (
        len(prepared[name]) / statistics.median(row[each] for row in rounds)
        for each in (name, "ours")
    )
    if mine >= others:
        return "never"
    return f"{statistics.median(prepared[name]) / (others - mine):,.0f}"


def _error(name: str, data: Dataset, network: str) -> str:
    """Compare the first moment after a step, a tenth of the gradient, with that in float64."""
    if name not in ("ours", "compiled", "bf16"):
        return ""
    spec = usual_spec(data, network)
    exact = Trial(spec, data, CPU, dtype=torch.float64)
    trial = Trial(spec, data, CPU)
    indices, noise = trial.random.at(0)
    take = compiled_step(trial) if name == "compiled" else trial.pure_step
    with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
        ours, _ = take(trial.constants, trial.initial_state(), trial.images(indices), noise)
    true, _ = exact.step(exact.initial_state(), indices, Noise(*(each.double() for each in noise)))
    one, other = (state.adam.first_moment[: trial.network.size] for state in (ours, true))
    return f"{float((one.double() - other).norm() / other.norm()):.1e}"


if __name__ == "__main__":
    main()
