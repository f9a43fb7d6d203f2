"""What a plan would take, measured on this machine before anything is trained."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass

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
class Estimate:
    """The plan, and what it would take."""

    study: str
    folder: str
    asked: int
    reused: int
    to_train: int
    workers: int
    steps: int
    """Of one trial."""
    milliseconds_per_step: float
    """Measured in one process."""
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
        return "\n".join(
            [
                f"study    {self.study} in {self.folder}",
                f"trials   {self.asked} asked, {self.reused} in the ledger, "
                f"{self.to_train} to train for {self.steps:,} steps each",
                f"workers  {self.workers}, one trial each at a time",
                f"time     about {duration(self.seconds)} "
                f"({self.milliseconds_per_step:.2f} ms a step, measured in one process)",
                f"memory   {size(self.memory_bytes)} a worker",
                f"disk     {size(self.disk_bytes)}",
            ]
        )


def estimate(plan: StudyPlan, work: Work, options: RunOptions) -> Estimate:
    """Train for about a second to see what the plan would take.

    Raises:
        UserError: if the device cannot be used.
    """
    widest = max(plan.specs, key=lambda spec: spec.width)
    trial = Trial(widest, plan.dataset, choose_device(options.device))
    seconds_per_step = _seconds_per_step(trial)
    workers = min(expected_workers(options), max(1, len(work.missing)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Estimate(
        study=plan.study,
        folder=str(options.folder),
        asked=len(plan.specs),
        reused=work.reused,
        to_train=len(work.missing),
        workers=workers,
        steps=widest.steps,
        milliseconds_per_step=1e3 * seconds_per_step,
        seconds=_schedule(work.missing, workers) * seconds_per_step,
        memory_bytes=peak if sys.platform == "darwin" else 1024 * peak,
        disk_bytes=len(work.missing) * _disk_bytes(trial),
    )


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


def _schedule(specs: tuple[TrialSpec, ...], workers: int) -> int:
    """Give the steps of the busiest worker when each takes the next trial as it gets free."""
    busy = [0] * workers
    for spec in specs:
        first = busy.index(min(busy))
        busy[first] += spec.steps
    return max(busy)


def _disk_bytes(trial: Trial) -> int:
    model = len(model_file(trial, trial.initial_state()))
    curve = 8 * len(CURVE_SCHEMA) * min(POINTS, trial.spec.steps)
    return model + curve + 16_384  # the row and the samples
