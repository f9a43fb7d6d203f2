"""What rounding changes in the answer: open gates over seeds, beside those of float32.

    python benchmarks/precision.py [--dataset digits] [--taus 0.5,1.5] [--seeds 5] [--steps 8000]

`tf32` rounds what goes into every matrix product and convolution, forwards and backwards, to ten
bits of mantissa, as a GPU's tensor cores do; products and sums are then float32's. It is worked out
on the CPU, so that it needs no GPU to be looked at, and is slow. `bf16` is torch's autocast.
`compiled` is float32 by the compiled step, which sums in another order. Each trial is trained
alone, in one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from measure import usual_spec
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sweeper.environment import cores, git_commit, hardware
from trainer.data import load
from trainer.result import TrialResult
from trainer.step.trial import Trial
from trainer.training.loop import Hooks, train_together

DROPPED_BITS = 13
"""Of float32's 23 bits of mantissa, those that TF32 does not have."""

aten = torch.ops.aten
FACTORS = {
    aten.mm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.bmm.default: (0, 1),
    aten.baddbmm.default: (1, 2),
    aten.convolution.default: (0, 1),
    aten.convolution_backward.default: (0, 1, 2),
}
"""Which arguments of an operation are multiplied; biases are not."""


class Tf32(TorchDispatchMode):
    """Computes products as TF32 does; below autograd, so that gradients are met too."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        places = FACTORS.get(operation, ())
        rounded = [_rounded(arg) if place in places else arg for place, arg in enumerate(args)]
        return operation(*rounded, **(kwargs or {}))


def _rounded(values: Tensor) -> Tensor:
    """Round float32 to the nearest with ten bits of mantissa, ties to even."""
    bits = values.view(torch.int32)
    half = (1 << (DROPPED_BITS - 1)) - 1 + ((bits >> DROPPED_BITS) & 1)
    return ((bits + half) & -(1 << DROPPED_BITS)).view(torch.float32)


PRECISIONS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float32": contextlib.nullcontext,
    "compiled": contextlib.nullcontext,
    "tf32": Tf32,
    "bf16": lambda: torch.autocast("cpu", torch.bfloat16),
}


def main() -> None:
    options = _options()
    print(f"{hardware()}; torch {torch.__version__}, commit {(git_commit() or 'none')[:20]}")
    print(f"{options.dataset}, {options.architecture}, {options.steps:,} steps\n")
    print(f"{'τ':>6}{'precision':>11}   {'open gates, seed by seed':28}{'sse':>8}   statuses")
    taus = [float(tau) for tau in options.taus.split(",")]
    asked = [
        (options, tau, name, seed)
        for tau in taus
        for name in PRECISIONS
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        results = list(pool.map(_train, asked))
    for first in range(0, len(asked), options.seeds):
        _, tau, name, _ = asked[first]
        same = results[first : first + options.seeds]
        gates = " ".join(f"{result.open_gates or '–':>2}" for result in same)
        error = statistics.median(result.test_sse_sampled for result in same)
        statuses = ", ".join(sorted({str(result.status) for result in same}))
        print(f"{tau:6g}{name:>11}   {gates:28}{error:8.3f}   {statuses}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--architecture", default="dense")
    parser.add_argument("--taus", default="0.5,1.5")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _train(asked: tuple[argparse.Namespace, float, str, int]) -> TrialResult:
    options, tau, precision, seed = asked
    torch.set_num_threads(1)
    data = load(options.dataset, options.data_dir)
    usual = usual_spec(data, options.architecture)
    spec = dataclasses.replace(usual, tau=tau, seed=seed, steps=options.steps)
    trial = Trial(spec, data, torch.device("cpu"))
    with PRECISIONS[precision]():
        (trained,) = train_together([trial], [Hooks()], compiled=precision == "compiled")
    return trained.result


if __name__ == "__main__":
    main()
