"""The step as compiled code: on a CPU, what Python and memory traffic take of it is saved.

`torch.compile` does not follow a step that differentiates itself. So the operations of one step
are written down (`make_fx`), and Inductor makes C++ of them, which fuses what lies between the
matrix products and convolutions. It is the same arithmetic in another order of summation, so the
results differ in the last bits of float32 from those of the plain step.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from trainer.data.official.sources import cache_folder
from trainer.errors import UserError
from trainer.networks import NETWORKS
from trainer.objectives import Constants
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import TrialSpec
from trainer.step.trial import Trial

Take = Callable[[Constants, TrainState, Tensor, Noise], tuple[TrainState, BatchMeasures]]
"""A step on a batch of images."""

OPTIONS = {
    # One thread: the pool of processes that would help stays, and takes memory.
    "compile_threads": 1,
    # With its heuristics for tiles, torch 2.13 takes means over the pixels of 64×64 images of few
    # channels wrongly.
    "cpp.enable_tiling_heuristics": False,
}

AGREEMENT = 0.02
"""Relative difference from the plain step above which a compiled one is not used. In float32 the
gradients of a convolutional network differ by 0.002; what was compiled wrongly, by 0.5 and more."""

_steps: dict[tuple[object, ...], Take] = {}
"""What this process has compiled, by kind: τ, seed and the other settings are arguments."""


def compiled_step(trial: Trial) -> Take:
    """Compile the step of a trial on a CPU.

    That takes a quarter of a minute or more for the first trial of a kind, and a few seconds in
    later processes, which find the code in the user's cache.

    Raises:
        UserError: if it cannot be compiled, or what comes of it is not the step.
    """
    spec = trial.spec
    network = (spec.architecture, spec.layers, spec.width, trial.dataset.image_shape)
    kind = (spec.objective, *network, spec.batch_size, trial.dtype)
    if kind not in _steps:
        take = _compile(trial)
        _check(take, trial)
        _steps[kind] = take
    return _steps[kind]


def pays(spec: TrialSpec) -> bool:
    """Whether a trial is long enough to make up for the time that compiling its step takes."""
    least = NETWORKS.find(spec.architecture).compile_from
    return least is not None and spec.steps >= least


def check_compiler() -> None:
    """Compile something small.

    Raises:
        UserError: if that fails, for example because there is no C++ compiler.
    """
    one = torch.ones(1)
    _inductor(lambda value: [value + one], [one])


def _compile(trial: Trial) -> Take:
    leaves, form = pytree.tree_flatten(_first_batch(trial))
    leaves = _laid_out(leaves)
    outcome_form: list[Any] = []

    def flat(*leaves: Tensor) -> list[Tensor]:
        outcome, outcome_form[:] = _flatten(trial.pure_step(*pytree.tree_unflatten(leaves, form)))
        return outcome

    run = _inductor(flat, leaves)

    def take(*arguments: Any) -> tuple[TrainState, BatchMeasures]:
        outcome = run(*_laid_out(pytree.tree_leaves(arguments)))
        step: tuple[TrainState, BatchMeasures] = pytree.tree_unflatten(outcome, outcome_form[0])
        return step

    return take


def _check(take: Take, trial: Trial) -> None:
    """Compare with the plain step, before and after the constraint is first met."""
    constants, state, images, noise = _first_batch(trial)
    for hit in (False, True):
        arguments = constants, state._replace(hit=torch.tensor(hit)), images, noise
        ours, plain = (_seen(step(*arguments)) for step in (take, trial.pure_step))
        for name, value in plain.items():
            difference = float((ours[name] - value).norm() / value.norm())
            if not difference <= AGREEMENT:
                raise UserError(
                    f"the training step is compiled wrongly (its {name} differ by {difference:.1%} "
                    "from those of the plain step); use --compile off"
                )


def _seen(outcome: tuple[TrainState, BatchMeasures]) -> dict[str, Tensor]:
    """Give what a wrong step would show in: lengths are not 0."""
    state, measures = outcome
    seen = {"errors": measures.errors, "gradients": state.adam.first_moment}
    statistics = [value.flatten() for value in state.buffers.values() if value.is_floating_point()]
    return seen | ({"statistics": torch.cat(statistics)} if statistics else {})


def _first_batch(trial: Trial) -> tuple[Constants, TrainState, Tensor, Noise]:
    indices, noise = trial.random.at(0)
    return trial.constants, trial.initial_state(), trial.images(indices), noise


def _laid_out(leaves: list[Tensor]) -> list[Tensor]:
    """Put tensors into the one layout that a step is compiled for; most have it."""
    return [leaf.contiguous() for leaf in leaves]


def _flatten(tree: Any) -> tuple[list[Tensor], list[Any]]:
    leaves, form = pytree.tree_flatten(tree)
    return leaves, [form]


def _inductor(
    function: Callable[..., list[Tensor]], example: list[Tensor]
) -> Callable[..., list[Tensor]]:
    # Not in the temporary folder, as by default: on a machine of many users that is anyone's.
    cache = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / _processor()))
    import torch._inductor  # here: it takes a second, and not all need it

    try:
        return torch._inductor.compile(  # type: ignore[no-any-return]
            make_fx(function)(*example), [*example], options=OPTIONS
        )
    except (RuntimeError, AssertionError, TypeError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the training step cannot be compiled: {reason}; try without what was compiled before "
            f"(in {cache}), or use --compile off"
        ) from error


def _processor() -> str:
    """Name the folder of what is compiled for this kind of processor: homes are shared."""
    flags = Path("/proc/cpuinfo")
    lines = flags.read_text().splitlines() if flags.exists() else []
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    digest = hashlib.sha256(f"{platform.machine()} {kind}".encode()).hexdigest()
    return f"compiled-{digest[:8]}"
