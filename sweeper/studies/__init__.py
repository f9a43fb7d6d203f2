"""The studies that can be run: one file each, one row each."""

from __future__ import annotations

from sweeper.studies.base import Plan, Proposal, Study
from sweeper.studies.compare import COMPARE
from sweeper.studies.compression import COMPRESSION
from sweeper.studies.pareto import PARETO
from sweeper.studies.trajectory import TRAJECTORY
from trainer.registry import Registry

STUDIES = Registry("study", {row.name: row for row in (PARETO, TRAJECTORY, COMPARE, COMPRESSION)})

__all__ = ["STUDIES", "Plan", "Proposal", "Study"]
