"""Whether the steps of trials can be compiled here.

`python -m sweeper.planning.compilation [SPEC [DATA_DIR]]` tries it, in a process of its own: a
compiler takes memory, and what it makes might crash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sweeper.options import RunOptions
from sweeper.planning.missing import Work
from sweeper.worker.compile import is_compiled
from trainer.errors import UserError
from trainer.spec import TrialSpec


def check_compile(options: RunOptions, device: str) -> None:
    """Check, before anything is begun, that what is to be compiled can be.

    Raises:
        UserError: if all trials are to be compiled and that is not possible.
    """
    if not options.compile:
        return
    if device == "cuda":
        raise UserError("--compile on is for CPUs; on a GPU steps are captured: leave it away")
    if options.pack not in (None, 1):
        raise UserError(
            f"--compile on takes trials that are trained alone, found --pack {options.pack}; "
            "leave one of the two away"
        )
    problem = "" if options.address else _try()
    if problem:
        raise UserError(problem)


def settle_compile(
    options: RunOptions, work: Work, device: str, pack: int
) -> tuple[bool | None, str]:
    """Decide what workers compile, by compiling a trial of each kind of network here.

    Workers find in the cache what was compiled for these trials.

    Returns:
        The `wish` for `is_compiled`, and what people should know of it, if anything.

    Raises:
        UserError: if all trials are to be compiled and that is not possible.
    """
    check_compile(options, device)
    if device != "cpu" or pack > 1:
        return False, ""
    chosen = [spec for spec in work.to_train() if is_compiled([spec], device, options.compile)]
    if not chosen or options.address is not None:  # of a cluster, the nodes are asked
        return options.compile or False, ""
    kinds = {(spec.dataset, spec.architecture, spec.objective): spec for spec in reversed(chosen)}
    problems = [_try(spec.to_json(), *_data_dir(options)) for spec in kinds.values()]
    problem = next(filter(None, problems), "")
    if problem and options.compile:
        raise UserError(problem)
    if problem:
        return False, f"{problem}; trials are trained without, which takes longer"
    return options.compile, ""


def _data_dir(options: RunOptions) -> list[str]:
    return [str(options.data_dir)] if options.data_dir else []


def _try(*arguments: str) -> str:
    """Compile something small, or the step of a trial; return what went wrong, or nothing."""
    command = [sys.executable, "-m", "sweeper.planning.compilation", *arguments]
    safe = os.environ | {"PYTHONSAFEPATH": "1"}  # not to import what lies in the current folder
    ran = subprocess.run(command, env=safe, capture_output=True, text=True, check=False)
    if not ran.returncode:
        return ""
    reason = (ran.stderr.strip() or f"the compiler ended with code {ran.returncode}").splitlines()
    if reason[-1] == KeyboardInterrupt.__name__:
        raise KeyboardInterrupt
    return reason[-1].removeprefix(f"{UserError.__module__}.{UserError.__name__}: ")


def _main(arguments: Sequence[str]) -> None:
    import torch

    from trainer import data
    from trainer.step.compiled import check_compiler
    from trainer.step.stepper import make_stepper
    from trainer.step.trial import Trial

    torch.set_num_threads(1)  # as in a worker: what is compiled depends on it
    if not arguments:
        check_compiler()
        return
    spec, *data_dir = arguments
    asked = TrialSpec.from_json(spec)
    folder = Path(*data_dir) if data_dir else None
    dataset = data.open_content(asked.dataset_sha256, asked.dataset, folder)
    trial = Trial(asked, dataset, torch.device("cpu"))
    make_stepper([trial], compiled=True).advance(trial.initial_state(), [0])


if __name__ == "__main__":
    _main(sys.argv[1:])
