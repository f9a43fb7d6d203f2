"""A process that measures cases of `gpu_throughput.py`, one after the other.

It reads a case as a line of JSON, answers when it is ready, begins when it is told to (others may
begin beside it), and answers with what it measured. An error is an answer too, and its last: what
CUDA is worth after one is not known.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import statistics
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from competitors import VARIANTS, keep_norms_in_float32
from measure import StepCaller, peak_flops, seconds_per_call, step_flops, twins, usual_spec
from torch import Tensor

from trainer.data import Dataset, load
from trainer.errors import MissingDataError
from trainer.functional.adam import BETA_1
from trainer.hardware import set_precision
from trainer.objectives.state import Noise, TrainState
from trainer.spec import TrialSpec
from trainer.step.trial import Trial

WARM_UP = 3
WINDOWS = 3
DRAWN = 2048
"""Images of model C; drawn before, since it is not the drawing that is measured."""


@dataclass(frozen=True)
class Scale:
    """How much is computed: on a CPU, as little as shows that everything works."""

    layers: dict[str, tuple[int, ...]]
    batch_size: int
    product: int
    """Rows of the large matrix product."""
    window: float
    """Seconds."""


FULL = Scale({"A": (32, 64, 128), "C": (32, 64, 128, 128)}, 64, 8192, 0.7)
TINY = Scale({"A": (4, 6, 8), "C": (2, 3, 4, 4)}, 8, 256, 0.05)


@dataclass(frozen=True)
class Case:
    """What is measured in one row."""

    model: str
    """`A`: 28×28×1; `C`: 64×64×3."""
    variant: str
    """A name in `competitors.VARIANTS`."""
    pack: int
    precision: str = "tf32"
    """`tf32`, `float32`, `bf16` for autocast, or `bf16 norm32`, autocast around BatchNorm."""
    processes: int = 1
    cudnn_benchmark: bool = False


class Bench:
    """Cases on one device; what they share is kept."""

    def __init__(self, device: str, data_dir: Path | None) -> None:
        self.device = torch.device(device)
        self.on_gpu = device == "cuda"
        self.scale = FULL if self.on_gpu else TINY
        self.finish = torch.cuda.synchronize if self.on_gpu else lambda: None
        self._data_dir = data_dir
        self.model = functools.cache(self._model)
        self.exact = functools.cache(self._exact)
        self.floor = functools.cache(self._floor)

    def _model(self, name: str) -> tuple[TrialSpec, Dataset]:
        data = _small(self._data_dir) if name == "A" else _large()
        spec = usual_spec(data, "conv28" if name == "A" else "conv64")
        layers, batch = self.scale.layers[name], self.scale.batch_size
        return replace(spec, width=32, layers=layers, batch_size=batch), data

    def _exact(self, name: str) -> Tensor:
        """Return the gradient of a model's first step in float64, with float32's noise."""
        spec, data = self.model(name)
        indices, noise = Trial(spec, data, self.device).random.at(0)
        twin = Trial(spec, data, self.device, torch.float64)
        state, _ = twin.step(
            twin.initial_state(), indices, Noise(noise.epsilon.double(), noise.uniform.double())
        )
        return _gradient(state)

    def _floor(self, name: str, precision: str) -> float:
        """Return the seconds in which a large product does a plain step's arithmetic."""
        with _autocast(self.device, precision):
            rate = peak_flops(self.scale.product, self.device, self.finish)
        return step_flops(*self.model(name)) / rate


class Prepared:
    """A case that is ready to be timed: its first steps are taken."""

    def __init__(self, bench: Bench, case: Case) -> None:
        self._bench, self._case = bench, case
        set_precision(strict=case.precision == "float32")
        torch.backends.cudnn.benchmark = case.cudnn_benchmark
        spec, data = bench.model(case.model)
        exact = bench.exact(case.model)
        if bench.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with _autocast(bench.device, case.precision):
            trials = twins(spec, data, case.pack, bench.device)
            if case.precision == "bf16 norm32":
                keep_norms_in_float32(trials)
            self._step = StepCaller(VARIANTS[case.variant](trials), trials)
            self._step()
            gradient = _gradient(self._step.state(0))
            for _ in range(WARM_UP):
                self._step()
        self._error = float((gradient - exact).norm() / exact.norm())
        bench.finish()

    def measure(self) -> dict[str, object]:
        """Time some windows; gives trial-steps a second, and what else the row has."""
        bench, case = self._bench, self._case
        with _autocast(bench.device, case.precision):
            times = [
                seconds_per_call(self._step, bench.scale.window, bench.finish)
                for _ in range(WINDOWS)
            ]
        answer: dict[str, object] = {
            "rate": case.pack / statistics.median(times),
            "seconds_per_step": times,
            "gradient_error": self._error,
            "data": bench.model(case.model)[1].name,
        }
        if bench.on_gpu:
            answer["allocated"] = torch.cuda.max_memory_allocated()
            answer["reserved"] = torch.cuda.max_memory_reserved()
        if case.processes == 1:  # others may still be timed
            answer["floor"] = bench.floor(case.model, case.precision)
        return answer


def _gradient(state: TrainState) -> Tensor:
    """Return the gradient of the first step, of which Adam's moment is a share."""
    return state.adam.first_moment.double() / (1 - BETA_1)


def _autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    if not precision.startswith("bf16"):
        return contextlib.nullcontext()
    # What it would keep of a step's casts, a graph could not have again.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def _small(data_dir: Path | None) -> Dataset:
    try:
        return load("mnist", data_dir)
    except MissingDataError:
        return load("tiles")


def _large() -> Dataset:
    """Return sprites in three equal colours: the time of a step does not depend on the content."""
    sprites = load("sprites")
    return replace(sprites, train=np.repeat(sprites.train[slice(0, DRAWN)], 3, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", required=True)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.device, options.data_dir)
    for line in sys.stdin:
        try:
            prepared = Prepared(bench, Case(**json.loads(line)))
            _say({"ready": True})
            sys.stdin.readline()
            _say(prepared.measure())
            del prepared
        except Exception as error:
            traceback.print_exc()
            _say({"error": f"{type(error).__name__}: {error}"})
            return


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
