"""What a plan would take, measured on this machine before anything is trained."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from sweeper.ledger.columns import CURVE_SCHEMA
from sweeper.ledger.units import duration, size
from sweeper.options import RunOptions
from sweeper.planning.compilation import settle_compile
from sweeper.planning.memory import check_memory, told_of_memory
from sweeper.planning.missing import Work
from sweeper.planning.pack_size import pack_size
from sweeper.planning.packs import form_packs
from sweeper.studies.base import Plan, longest_first
from sweeper.worker.compile import is_compiled
from trainer.hardware import choose_device, set_precision
from trainer.objectives.measures import POINTS
from trainer.spec import TrialSpec
from trainer.step.stepper import make_stepper
from trainer.step.trial import Trial, on_device
from trainer.training.export import model_file

Specs = tuple[TrialSpec, ...]

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
    pack: int
    """How many are trained together."""
    compiled: bool
    """Whether their step is."""
    seconds_per_step: float
    """Of one trial among those of the widest pack, measured in one process."""
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
    impossible: int
    """They follow on trials that diverged."""
    workers: int
    note: str
    """What has to be said of the way they would be trained, if anything."""
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
            others = ", the others follow on trials that diverged" if self.impossible else ""
            return f"nothing to train: {self.reused} of {self.asked} are in {self.folder}{others}"
        kinds = [
            f"         {kind.trials} {kind.dataset} {kind.objective}: {kind.steps:,} steps each, "
            f"{1e3 * kind.seconds_per_step:.2f} ms a step measured in one process"
            + (f", {kind.pack} together" if kind.pack > 1 else "")
            + (", compiled" if kind.compiled else "")
            for kind in self.kinds
        ]
        return "\n".join(
            [
                f"study    {self.study} in {self.folder}",
                f"trials   {self.asked} asked, {self.reused} in the ledger, "
                f"{self.to_train} to train",
                *kinds,
                f"workers  {self.workers}",
                *([f"note     {self.note}"] if self.note else []),
                f"time     about {duration(self.seconds)}",
                f"memory   {size(self.memory_bytes)} a worker",
                f"disk     {size(self.disk_bytes)}",
            ]
        )


def estimate(plan: Plan, work: Work, options: RunOptions, *, folder: str, workers: int) -> Estimate:
    """Train each kind of trial for about a second to see what the plan would take.

    Args:
        plan: the study.
        work: what of it is to be trained.
        options: how it would be run.
        folder: where, for people.
        workers: how many trials would be trained at a time.

    Raises:
        UserError: if the device cannot be used, or a trial does not fit into memory.
    """
    check_memory(plan, work, options)
    device = choose_device(options.device)
    set_precision(strict=options.strict_float32)
    to_train = work.to_train()
    workers = min(workers, max(1, len(to_train)))
    most = pack_size(options, plan, work, device=device.type, workers=workers)
    packs = form_packs(longest_first(to_train), most, workers)
    wish, note = settle_compile(options, work, device.type, most)
    with told_of_memory(to_train):
        kinds = _measure(plan, packs, device, wish)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Estimate(
        study=plan.study,
        folder=folder,
        asked=work.asked,
        reused=work.reused,
        to_train=len(to_train),
        impossible=len(work.proposal.impossible),
        workers=workers,
        note=note,
        kinds=tuple(kinds.values()),
        seconds=_schedule(packs, kinds, workers),
        memory_bytes=peak if sys.platform == "darwin" else 1024 * peak,
        disk_bytes=sum(kind.trials * kind.bytes_per_trial for kind in kinds.values()),
    )


Kinds = dict[tuple[str, str, int], Kind]


def _measure(plan: Plan, packs: Sequence[Specs], device: torch.device, wish: bool | None) -> Kinds:
    """Measure the first pack of each kind, which is the widest, for all of them."""
    by_kind: dict[tuple[str, str, int], list[Specs]] = {}
    for pack in packs:
        by_kind.setdefault(_kind(pack), []).append(pack)
    return {kind: _measure_kind(plan, members, device, wish) for kind, members in by_kind.items()}


def _measure_kind(plan: Plan, packs: list[Specs], device: torch.device, wish: bool | None) -> Kind:
    first = packs[0][0]
    dataset = plan.dataset(first.dataset)
    images = on_device(dataset.train, device)
    trials = [Trial(spec, dataset, device, images=images) for spec in packs[0]]
    compiled = is_compiled(packs[0], device.type, wish)
    return Kind(
        dataset=first.dataset,
        objective=first.objective,
        trials=sum(map(len, packs)),
        pack=len(trials),
        steps=first.steps,
        compiled=compiled,
        seconds_per_step=_seconds_per_step(trials, compiled=compiled) / len(trials),
        bytes_per_trial=_disk_bytes(trials[0]),
    )


def _kind(pack: Specs) -> tuple[str, str, int]:
    return pack[0].dataset, pack[0].objective, pack[0].steps


def _seconds_per_step(trials: Sequence[Trial], *, compiled: bool) -> float:
    """Time a step of all of these trials together."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    stepper = make_stepper(trials, compiled=compiled)
    state, step, began = stepper.join([trial.initial_state() for trial in trials]), 0, 0.0
    while step <= WARM_UP or time.perf_counter() - began < MEASURED_SECONDS:
        if step == WARM_UP:
            stepper.split(state, 0).step.item()  # waits for the device
            began = time.perf_counter()
        state, _ = stepper.advance(state, [step] * len(trials))
        step += 1
    stepper.split(state, 0).step.item()
    torch.set_num_threads(threads)
    return (time.perf_counter() - began) / (step - WARM_UP)


def _schedule(packs: Sequence[Specs], kinds: Kinds, workers: int) -> float:
    """Return how long the busiest worker is busy when each takes the next pack as it gets free."""
    busy = [0.0] * workers
    for pack in packs:
        kind = kinds[_kind(pack)]
        first = busy.index(min(busy))
        busy[first] += len(pack) * kind.steps * kind.seconds_per_step
    return max(busy)


def _disk_bytes(trial: Trial) -> int:
    model = len(model_file(trial, trial.initial_state()))
    curve = 8 * len(CURVE_SCHEMA) * min(POINTS, trial.spec.steps)
    return model + curve + 16_384  # the row and the samples
