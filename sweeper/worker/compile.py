"""Which trials have their step compiled."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.spec import TrialSpec
from trainer.step.compiled import worth_compiling


def is_compiled(specs: Sequence[TrialSpec], device: str, wish: bool | None) -> bool:
    """Return whether the step of these trials is compiled: of one alone, on a CPU.

    Args:
        specs: trials that are trained together.
        device: `cpu` or `cuda`.
        wish: what was asked for. Where nothing was (None), the spec alone decides, so that a run
            that was killed goes on as it began: a compiled step differs from a plain one in the
            last bits.
    """
    if len(specs) > 1 or device != "cpu":
        return False
    return worth_compiling(specs[0]) if wish is None else wish
