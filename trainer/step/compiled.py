"""The step as compiled code: on a CPU, this saves the time that Python and memory traffic take.

`torch.compile` does not follow a step that differentiates itself. So the operations of one step
are traced (`make_fx`), and Inductor turns them into C++, which fuses what lies between the matrix
products and convolutions. It is the same arithmetic in another order of summation, so the results
differ in the last bits of float32 from those of the plain step.
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

from trainer.errors import UserError
from trainer.files import cache_folder
from trainer.networks import NETWORKS
from trainer.objectives import Constants
from trainer.objectives.state import BatchMeasures, Noise, TrainState
from trainer.spec import TrialSpec
from trainer.step.trial import Trial

StepFn = Callable[[Constants, TrainState, Tensor, Noise], tuple[TrainState, BatchMeasures]]
"""A step on a batch of images, in [0, 1]."""

OPTIONS = {
    # One thread: a pool of compiler processes would stay, and take memory.
    "compile_threads": 1,
    # With its tiling heuristics, torch 2.13 computes wrong means over the pixels of 64×64 images
    # of few channels.
    "cpp.enable_tiling_heuristics": False,
}

TOLERANCE = 0.02
"""Relative difference from the plain step above which a compiled one is refused. In float32 the
gradients of a convolutional network differ by 0.002; those of a miscompiled one by 0.5 and more."""

_steps: dict[tuple[object, ...], StepFn] = {}
"""What this process has compiled, by kind: τ and the other settings are arguments."""


def compiled_step(trial: Trial) -> StepFn:
    """Compile the step of a trial for a CPU.

    That takes a quarter of a minute or more for the first trial of a kind, and a few seconds in
    later processes, which find the code in the user's cache.

    Raises:
        UserError: if it cannot be compiled, or the compiled step gives other numbers.
    """
    spec = trial.spec
    network = (spec.architecture, spec.layers, spec.width, trial.dataset.image_shape)
    kind = (spec.objective, *network, spec.batch_size, trial.dtype)
    if kind not in _steps:
        step = _compile(trial)
        _check(step, trial)
        _steps[kind] = step
    return _steps[kind]


def worth_compiling(spec: TrialSpec) -> bool:
    """Return whether a trial is long enough to make up for the time that compiling takes."""
    least = NETWORKS.find(spec.architecture).compile_from
    return least is not None and spec.steps >= least


def check_compiler() -> None:
    """Check, on something small, that this machine can compile.

    Raises:
        UserError: if it cannot, for example because there is no C++ compiler.
    """
    one = torch.ones(1)
    _inductor(lambda value: [value + one], [one])


def _compile(trial: Trial) -> StepFn:
    leaves, form = pytree.tree_flatten(_first_batch(trial))
    leaves = _contiguous(leaves)
    outcome_form: list[Any] = []

    def flat(*leaves: Tensor) -> list[Tensor]:
        outcome, outcome_form[:] = _flatten(trial.pure_step(*pytree.tree_unflatten(leaves, form)))
        return outcome

    run = _inductor(flat, leaves)

    def step(*arguments: Any) -> tuple[TrainState, BatchMeasures]:
        leaves = run(*_contiguous(pytree.tree_leaves(arguments)))
        outcome: tuple[TrainState, BatchMeasures] = pytree.tree_unflatten(leaves, outcome_form[0])
        return outcome

    return step


def _check(compiled: StepFn, trial: Trial) -> None:
    """Compare with the plain step, before and after the constraint is first met."""
    constants, state, images, noise = _first_batch(trial)
    for hit in (False, True):
        arguments = constants, state._replace(hit=torch.tensor(hit)), images, noise
        ours, plain = (_probe(step(*arguments)) for step in (compiled, trial.pure_step))
        for name, value in plain.items():
            difference = float((ours[name] - value).norm() / value.norm())
            if not difference <= TOLERANCE:
                raise UserError(
                    f"the training step is compiled wrongly (its {name} differ by {difference:.1%} "
                    "from those of the plain step); use --compile off"
                )


def _probe(outcome: tuple[TrainState, BatchMeasures]) -> dict[str, Tensor]:
    """Return the tensors in which a wrong step would show, none of which is all zero."""
    state, measures = outcome
    probe = {"errors": measures.errors, "gradients": state.adam.first_moment}
    statistics = [value.flatten() for value in state.buffers.values() if value.is_floating_point()]
    return probe | ({"statistics": torch.cat(statistics)} if statistics else {})


def _first_batch(trial: Trial) -> tuple[Constants, TrainState, Tensor, Noise]:
    indices, noise = trial.random.at(0)
    return trial.constants, trial.initial_state(), trial.images(indices), noise


def _contiguous(leaves: list[Tensor]) -> list[Tensor]:
    """Return the tensors in the one layout that a step is compiled for; most have it."""
    return [leaf.contiguous() for leaf in leaves]


def _flatten(tree: Any) -> tuple[list[Tensor], list[Any]]:
    leaves, form = pytree.tree_flatten(tree)
    return leaves, [form]


def _inductor(
    function: Callable[..., list[Tensor]], example: list[Tensor]
) -> Callable[..., list[Tensor]]:
    # Not in the temporary folder, torch's default: others can write there.
    cache = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / _processor()))
    from torch._inductor import codecache  # here: it takes a second

    codecache._HEADER_DIR = f"{cache}/precompiled_headers"
    codecache._HEADER_LOCK_DIR = f"{cache}/precompiled_headers/locks"
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
    """Return a folder name for this kind of processor: machines may share a home folder."""
    flags = Path("/proc/cpuinfo")
    lines = flags.read_text().splitlines() if flags.exists() else []
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    digest = hashlib.sha256(f"{platform.machine()} {kind}".encode()).hexdigest()
    return f"compiled-{digest[:8]}"
