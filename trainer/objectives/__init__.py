"""Training objectives: one file each, one row each."""

from __future__ import annotations

from trainer.objectives.base import Constants, Objective, Step
from trainer.objectives.geco import GECO
from trainer.objectives.geco_l0_arm import GECO_L0_ARM
from trainer.registry import Registry

OBJECTIVES = Registry("objective", {row.name: row for row in (GECO_L0_ARM, GECO)})

__all__ = ["OBJECTIVES", "Constants", "Objective", "Step"]
