"""What a plan would take, measured on this machine before anything is trained."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import torch

from sweeper.backends import expected_workers
from sweeper.plan import Work
from sweeper.run_record import RunOptions
from sweeper.schema import CURVE_SCHEMA
from sweeper.study import StudyPlan
from sweeper.words import duration, size
from trainer.curve import POINTS
from trainer.export import model_file
from trainer.hardware import choose_device
from trainer.spec import TrialSpec
from trainer.trial import Trial

WARM_UP = 20
MEASURED_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Trials that take equally long, more or less."""

    dataset: str
    objective: str
    trials: int
    """To train."""
    steps: int
    seconds_per_step: float
    """Of the widest, measured in one process."""
    bytes_per_trial: int
    """On disk, once it has ended."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The plan, and what it would take."""

    study: str
    folder: str
    asked: int
    reused: int
    to_train: int
    workers: int
    kinds: tuple[Kind, ...]
    seconds: float
    """Wall time, without starting the workers."""
    memory_bytes: int
    """Of one worker: what this process holds after measuring."""
    disk_bytes: int

    def render(self, *, as_json: bool) -> str:
        """Write the estimate for a program or for a person."""
        if as_json:
            return json.dumps(asdict(self))
        if not self.to_train:
            return f"nothing to train: all {self.asked} trials are in {self.folder}"
        kinds = [
            f"         {kind.trials} {kind.dataset} {kind.objective}: {kind.steps:,} steps each, "
            f"{1e3 * kind.seconds_per_step:.2f} ms a step measured in one process"
            for kind in self.kinds
        ]
        return "\n".join(
            [
                f"study    {self.study} in {self.folder}",
                f"trials   {self.asked} asked, {self.reused} in the ledger, "
                f"{self.to_train} to train",
                *kinds,
                f"workers  {self.workers}, one trial each at a time",
                f"time     about {duration(self.seconds)}",
                f"memory   {size(self.memory_bytes)} a worker",
                f"disk     {size(self.disk_bytes)}",
            ]
        )


def estimate(plan: StudyPlan, work: Work, options: RunOptions) -> Estimate:
    """Train each kind of trial for about a second to see what the plan would take.

    Raises:
        UserError: if the device cannot be used.
    """
    # Of a trial that waits for another's error, any τ takes as long.
    rounds = (work.missing, tuple(sequel.spec(error=1.0) for sequel in work.waiting))
    kinds = _measure(plan, [*chain(*rounds)] or plan.specs, choose_device(options.device))
    to_train = sum(map(len, rounds))
    workers = min(expected_workers(options), max(1, to_train))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Estimate(
        study=plan.study,
        folder=str(options.folder),
        asked=work.asked,
        reused=work.reused,
        to_train=to_train,
        workers=workers,
        kinds=tuple(kinds.values()) if to_train else (),
        seconds=sum(
            _schedule([spec.steps * kinds[_kind(spec)].seconds_per_step for spec in specs], workers)
            for specs in rounds
        ),
        memory_bytes=peak if sys.platform == "darwin" else 1024 * peak,
        disk_bytes=sum(kinds[_kind(spec)].bytes_per_trial for spec in chain(*rounds)),
    )


def _measure(
    plan: StudyPlan, specs: Iterable[TrialSpec], device: torch.device
) -> dict[tuple[str, str, int], Kind]:
    """Take the widest trial of each kind for all of them."""
    kinds: dict[tuple[str, str, int], list[TrialSpec]] = {}
    for spec in specs:
        kinds.setdefault(_kind(spec), []).append(spec)
    return {kind: _measure_kind(plan, members, device) for kind, members in kinds.items()}


def _measure_kind(plan: StudyPlan, specs: list[TrialSpec], device: torch.device) -> Kind:
    widest = max(specs, key=lambda spec: spec.width)
    trial = Trial(widest, plan.dataset(widest.dataset), device)
    return Kind(
        dataset=widest.dataset,
        objective=widest.objective,
        trials=len(specs),
        steps=widest.steps,
        seconds_per_step=_seconds_per_step(trial),
        bytes_per_trial=_disk_bytes(trial),
    )


def _kind(spec: TrialSpec) -> tuple[str, str, int]:
    return spec.dataset, spec.objective, spec.steps


def _seconds_per_step(trial: Trial) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    state = trial.initial_state()
    for step in range(WARM_UP):
        state, _ = trial.advance(state, step)
    state.step.item()  # waits for the device
    began = time.perf_counter()
    step = WARM_UP
    while time.perf_counter() - began < MEASURED_SECONDS:
        state, _ = trial.advance(state, step)
        step += 1
    state.step.item()
    torch.set_num_threads(threads)
    return (time.perf_counter() - began) / (step - WARM_UP)


def _schedule(lengths: Sequence[float], workers: int) -> float:
    """Give how long the busiest worker is busy when each takes the next trial as it gets free."""
    busy = [0.0] * workers
    for seconds in lengths:
        first = busy.index(min(busy))
        busy[first] += seconds
    return max(busy)


def _disk_bytes(trial: Trial) -> int:
    model = len(model_file(trial, trial.initial_state()))
    curve = 8 * len(CURVE_SCHEMA) * min(POINTS, trial.spec.steps)
    return model + curve + 16_384  # the row and the samples
