"""How many trials are trained together at most, where the user does not say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import torch

from sweeper.options import RunOptions
from sweeper.planning.missing import Work
from sweeper.studies.base import Plan
from trainer.hardware import choose_device
from trainer.spec import PACK_KEY, TrialSpec
from trainer.step.memory import available_bytes, largest_pack, peak_bytes
from trainer.step.trial import Trial, on_device

CLUSTER_PACK = 16
"""On the GPUs of a cluster, which are not this machine's to measure; small against the memory of
any, for the networks that are here."""


def pack_size(
    options: RunOptions,
    plan: Plan,
    work: Work,
    *,
    device: str,
    workers: int,
) -> int:
    """Return the most trials of a pack: as many as were asked for, or as suit the device.

    On a CPU that is one. On this machine's GPUs it is what their memory allows for the largest of
    the trials, measured by training one and two for a few steps.

    Args:
        options: how the study is run.
        plan: has the data sets.
        work: what of it is to be trained.
        device: `cpu` or `cuda`.
        workers: how many packs are trained at a time.
    """
    if options.pack is not None:
        return options.pack
    if device == "cpu":
        return 1
    if options.address is not None:
        return CLUSTER_PACK
    sharing = math.ceil(workers / torch.cuda.device_count())
    available = available_bytes(sharing)
    widest = _widest(work.to_train())
    return min((_largest_fitting(plan, spec, available) for spec in widest), default=1)


def _widest(specs: Sequence[TrialSpec]) -> Iterator[TrialSpec]:
    """Yield the widest trial of each kind of which there are several."""
    kinds: dict[tuple[object, ...], list[TrialSpec]] = {}
    for spec in specs:
        kinds.setdefault(tuple(getattr(spec, name) for name in PACK_KEY), []).append(spec)
    for alike in kinds.values():
        if len(alike) > 1:
            yield max(alike, key=lambda spec: spec.width)


def _largest_fitting(plan: Plan, spec: TrialSpec, available: int) -> int:
    device, dataset = choose_device("cuda"), plan.dataset(spec.dataset)
    images = on_device(dataset.train, device)
    twins = [
        Trial(dataclasses.replace(spec, seed=seed), dataset, device, images=images)
        for seed in range(2)
    ]
    size = largest_pack(peak_bytes(twins[:1]), peak_bytes(twins), available)
    torch.cuda.empty_cache()  # the workers, other processes, need it
    return size
