"""What a run, its backend, its workers and its listeners say to each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sweeper.options import RunOptions
from trainer.spec import TrialSpec

REPORT_SECONDS = 1.0
"""The least time between two reports of a worker's progress."""

TRAINING, WAITING = "training", "waiting"
"""What a trial is that has not ended; the other statuses are those of `trainer.verdict.Status`."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all trials of a run have in common."""

    study: str
    """The study's name, for example `pareto`."""
    folder: str
    """The address of the study's folder, on storage that every worker can write to."""
    run: str = ""
    """What distinguishes this run from others of the study."""
    datasets: Mapping[str, str]
    """The hash of the content of each data set, by name."""
    options: RunOptions
    """As settled by the run: `device` is one, `data_dir` is absolute, `compile` is possible."""


@dataclass(frozen=True)
class Pack:
    """Trials that one worker trains as one program."""

    specs: tuple[TrialSpec, ...]
    """At least one."""
    parents: Mapping[str, str]
    """For trials that follow from another one: its id, by theirs."""

    @property
    def title(self) -> str:
        """Name the pack, for people."""
        first, *others = self.specs
        name = f"{first.dataset} {first.label}"
        return f"{name} and {len(others)} more" if others else name


@dataclass(frozen=True)
class Progress:
    """How far a trial in training is."""

    step: int
    sse: float
    open_gates: int
    multiplier: float


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; the ledger has the rest."""

    status: str
    open_gates: int | None
    sse: float
    """Held out, z sampled."""
    seconds: float
    """Wall time in this run."""


@dataclass(frozen=True)
class Proposed:
    """These trials are to be trained."""

    specs: tuple[TrialSpec, ...]
    """Those that were not asked for in this run before."""
    later: int
    """How many more may follow once others have ended."""
    later_steps: int
    """The steps of these, together."""


@dataclass(frozen=True)
class Started:
    """A worker took the trial."""

    spec: TrialSpec
    pack_size: int = 1
    """How many trials it trains with it."""


@dataclass(frozen=True)
class Progressed:
    """A trial in training is so far; at most about once a second."""

    spec: TrialSpec
    progress: Progress


@dataclass(frozen=True)
class Ended:
    """The trial's row is in the ledger. A trial whose pack is tried again may end twice."""

    spec: TrialSpec
    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """The trial, alone, raised on its last attempt; its failure is in the ledger."""

    spec: TrialSpec
    error: str


@dataclass(frozen=True)
class PackFailed:
    """A pack of several raised on its last attempt; which trial is at fault is not known."""

    specs: tuple[TrialSpec, ...]
    error: str


@dataclass(frozen=True)
class WorkerLost:
    """These trials lost their worker, or raised, and wait to be tried again."""

    specs: tuple[TrialSpec, ...]


@dataclass(frozen=True)
class Preparing:
    """Something takes a while before the first trial starts; an empty text ends it."""

    text: str


@dataclass(frozen=True)
class Noted:
    """Something that people should know, in one line."""

    text: str


Event: TypeAlias = (
    Proposed | Started | Progressed | Ended | Failed | PackFailed | WorkerLost | Preparing | Noted
)

Listener: TypeAlias = Callable[[Event], None]
"""Called in the process of the run with what happens in it."""


class Broadcast:
    """A listener that passes each event on to others, in their order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def subscribe(self, listener: Listener) -> None:
        """Pass events on to one more."""
        self._listeners.append(listener)

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        for listener in self._listeners:
            listener(event)


class PackSource(Protocol):
    """What a backend asks for work."""

    def next_pack(self) -> Pack | None:
        """Return what to train next; None where nothing is known yet, or nothing is left."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing more will come, whatever the trials in training end with."""


class Backend(Protocol):
    """Executes trials."""

    @property
    def workers(self) -> int:
        """How many packs are trained at the same time."""

    @property
    def device(self) -> str:
        """Where trials are trained: `cpu` or `cuda`."""

    @property
    def notes(self) -> list[str]:
        """What the user should know before the run, a line each."""

    def run(self, source: PackSource, job: Job, listen: Broadcast, stop: threading.Event) -> None:
        """Train what `source` gives, in its order, as workers get free.

        A pack that fails is tried again, `ATTEMPTS` times in all. A trial alone that still fails is
        recorded as failed; of a larger pack it is not known which one is at fault, so it is only
        reported. Returns when `source` is exhausted and all have ended or, once `stop` is set, when
        those in training have saved their state.

        Raises:
            UserError: if the backend's machines cannot train them.
        """

    def close(self) -> None:
        """Release what the backend holds."""
