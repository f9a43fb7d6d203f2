"""Whether the networks of a plan fit into memory, told before one is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from sweeper.ledger.units import size
from sweeper.options import RunOptions
from sweeper.planning.missing import Work
from sweeper.studies.base import Plan
from trainer.errors import UserError
from trainer.hardware import choose_device, memory_bytes
from trainer.networks import NETWORKS
from trainer.spec import TrialSpec

PARAMETER_BYTES = 16
"""In float32: a parameter, its gradient, and the two averages that Adam keeps of it."""


def check_memory(plan: Plan, work: Work, options: RunOptions) -> None:
    """Check that this machine can hold one trial of each of the networks that are to be trained.

    Args:
        plan: the study.
        work: what of it is to be trained.
        options: how; the nodes of a cluster that is joined are not known here.

    Raises:
        UserError: if its parameters alone need more than there is.
    """
    if options.address is not None:
        return
    device = choose_device(options.device)
    available = memory_bytes(device)
    for spec in _widest(work.to_train()):
        row, shape = NETWORKS.find(spec.architecture), plan.dataset(spec.dataset).image_shape
        with torch.device("meta"):  # structure only
            vae = row.build(shape, spec.width, spec.layers)
        parameters = sum(parameter.numel() for parameter in vae.parameters())
        if PARAMETER_BYTES * parameters > available:
            raise UserError(
                f"{_network(spec)} has {parameters:,} parameters, whose training takes at least "
                f"{size(PARAMETER_BYTES * parameters)}, and there are {size(available)}; give "
                "smaller --layers"
            )


@contextmanager
def told_of_memory(specs: Sequence[TrialSpec]) -> Iterator[None]:
    """Report in one line that there is too little memory for what the body does with these trials.

    Raises:
        UserError: if so.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch has no type of its own for the CPU's
        ours = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not ours and "DefaultCPUAllocator" not in str(error):
            raise
        raise UserError(
            f"{_network(specs[0])} does not fit into the memory that is free; give smaller "
            "--layers, or free some"
        ) from error


def _widest(specs: Sequence[TrialSpec]) -> Iterator[TrialSpec]:
    """Yield, of the trials with the same network but for its width, the widest."""
    found: dict[tuple[object, ...], TrialSpec] = {}
    for spec in specs:
        key = (spec.dataset, spec.architecture, spec.layers)
        if key not in found or spec.width > found[key].width:
            found[key] = spec
    yield from found.values()


def _network(spec: TrialSpec) -> str:
    layers = ",".join(map(str, spec.layers))
    return f"the network {spec.architecture} with layers {layers} and width {spec.width}"
