"""Which trials have their step compiled, and whether that can be done here.

`python -m sweeper.planning.compilation [SPEC [DATA_DIR]]` tries it, in a process of its own: a
compiler takes memory, and what it makes might crash.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import UserError
from trainer.spec import TrialSpec

if TYPE_CHECKING:  # a worker comes here first, and would go round in a circle
    from sweeper.planning.missing import Work
    from sweeper.run.record import RunOptions

CHOICES: dict[str, bool | None] = {"auto": None, "on": True, "off": False}


def parse_compile(text: str) -> bool | None:
    """Read `--compile`: all, none, or (None, for `auto`) those trials for which it pays.

    Raises:
        UserError: if it is something else.
    """
    if text not in CHOICES:
        raise UserError(f"--compile must be {', '.join(CHOICES)}, found {text!r}")
    return CHOICES[text]


def is_compiled(pack: Sequence[TrialSpec], device: str, wish: bool | None) -> bool:
    """Whether the step of these trials is compiled: of one alone, on a CPU.

    Where nothing is wished (None), the spec alone decides, so that a run that was killed goes on
    as it began: a compiled step differs from a plain one in the last bits.
    """
    from trainer.step.compiled import pays  # loads torch

    if len(pack) > 1 or device != "cpu":
        return False
    return pays(pack[0]) if wish is None else wish


def check_compile(options: RunOptions, device: str) -> None:
    """Refuse, before anything is begun, what cannot be compiled.

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
    """Settle what workers are to wish for, by compiling a trial of each kind of network here.

    Workers find what was compiled for these trials.

    Returns:
        What `is_compiled` is to be given, and what is to be told of it, if anything.

    Raises:
        UserError: if all trials are to be compiled and that is not possible.
    """
    check_compile(options, device)
    if device != "cpu" or pack > 1:
        return False, ""
    specs = [*work.missing, *(sequel.spec(error=1.0) for sequel in work.waiting)]
    chosen = [spec for spec in specs if is_compiled([spec], device, options.compile)]
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
    """Compile something small, or the step of a trial; gives what went wrong, or nothing."""
    command = [sys.executable, "-m", "sweeper.planning.compilation", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
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
    from trainer.step.program import program_of
    from trainer.step.trial import Trial

    torch.set_num_threads(1)  # as in a worker: what is compiled depends on it
    if not arguments:
        check_compiler()
        return
    spec, *data_dir = arguments
    asked = TrialSpec.from_json(spec)
    dataset = data.load(asked.dataset, Path(*data_dir) if data_dir else None)
    trial = Trial(asked, dataset, torch.device("cpu"))
    program_of([trial], compiled=True).advance(trial.initial_state(), [0])


if __name__ == "__main__":
    _main(sys.argv[1:])
