"""What passes between a run and its workers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a run have in common."""

    study: str
    """The study's name, for example `pareto`."""
    folder: str
    """The study's folder, on storage that every worker can write to."""
    run: str = ""
    """What tells this run from others of the study."""
    device: str = "auto"
    data_dir: str | None = None
    checkpoint_seconds: float = 20.0
    strict_float32: bool = False
    compile: bool | None = False
    """See `sweeper.planning.compilation.is_compiled`."""


@dataclass(frozen=True)
class Progress:
    """What is shown of a trial while it trains."""

    step: int
    sse: float
    open_gates: int
    multiplier: float


@dataclass(frozen=True)
class Finished:
    """What is shown of a trial when it has ended; the ledger has the rest."""

    status: str
    open_gates: int | None
    sse: float
    """Held out, z sampled."""
    seconds: float
    """Wall time in this run."""
