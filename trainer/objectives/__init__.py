"""Training objectives: one file each, one row each."""

from __future__ import annotations

from trainer.errors import unknown_name
from trainer.objectives.base import Constants, Objective, Step
from trainer.objectives.geco import GECO
from trainer.objectives.geco_l0_arm import GECO_L0_ARM

OBJECTIVES: dict[str, Objective] = {row.name: row for row in (GECO_L0_ARM, GECO)}


def objective(name: str) -> Objective:
    """Look an objective up.

    Raises:
        UserError: if no row has this name.
    """
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES)
    return OBJECTIVES[name]


__all__ = ["OBJECTIVES", "Constants", "Objective", "Step", "objective"]
