"""What a run shows while it trains: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import fmean

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.status import Status
from rich.text import Text

from sweeper.cli.trials_table import TrialLine, trials_table
from sweeper.ledger.units import counted, roughly
from sweeper.messages import (
    TRAINING,
    WAITING,
    Ended,
    Event,
    Failed,
    Noted,
    Outcome,
    PackFailed,
    Preparing,
    Progress,
    Progressed,
    Proposed,
    Started,
    WorkerLost,
)
from sweeper.status import Pace, seconds_to_go
from trainer.spec import TrialSpec

FAILED = "failed"

LINES_KEPT = 200
"""Trials that ended which a terminal may still show."""

LINE_SECONDS = 60.0
"""How often plain output says how far a run is."""


@dataclass
class _Trial:
    """A trial in training, or waiting to be tried again."""

    spec: TrialSpec
    line: TrialLine
    pack_size: int = 1
    began: tuple[int, float] | None = None
    """The first step heard of in this run, behind which a checkpoint may lie, and when."""
    latest: tuple[int, float] | None = None

    @property
    def pace(self) -> Pace:
        if self.began is None or self.latest is None or self.latest[0] == self.began[0]:
            return Pace(self.line.step, self.spec.steps, None)
        steps, seconds = self.latest[0] - self.began[0], self.latest[1] - self.began[1]
        # A share of the time, as that of a trial that has ended: those of a pack take it together.
        return Pace(self.line.step, self.spec.steps, seconds / steps / self.pack_size)


class Display:
    """A run's listener that shows it on a console.

    Args:
        console: where; a terminal gets a live table, anything else a line now and then.
        quiet: show nothing but notes.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._begun: dict[str, _Trial] = {}
        self._ended: set[str] = set()
        self._last_ended: deque[TrialLine] = deque(maxlen=LINES_KEPT)
        self._failed = 0
        self._seconds = 0.0  # that the trials took which have ended
        self._steps_ended = self._steps_waiting = self._steps_later = 0
        self._datasets: set[str] = set()
        self._asked = self._later = 0
        self._most_packs = 1.0
        self._began = self._last_line = time.monotonic()
        self._live = ExitStack()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show what is heard while the body runs."""
        with self._live:
            yield

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def on_event(self, event: Event) -> None:
        """Show what happened."""
        match event:
            case Proposed():
                self._on_proposed(event)
            case Started(spec=spec, pack_size=pack_size):
                self._on_started(spec, pack_size)
            case Progressed(spec=spec, progress=progress):
                self._on_progress(spec, progress)
            case Ended(spec=spec, outcome=outcome):
                self._on_ended(spec, outcome)
            case Failed(spec=spec, error=error):
                self._end(spec, FAILED)
                self._failed += 1
                self.note(f"{self._name(spec)} failed: {error}")
            case PackFailed(specs=specs, error=error):
                self._on_worker_lost(specs)
                self.note(
                    f"a pack of {counted(len(specs), 'trial')} failed, each is tried alone: {error}"
                )
            case WorkerLost(specs=specs):
                self._on_worker_lost(specs)
            case Preparing(text=text):
                self._show_live(self._console.status(text) if text else None)
            case Noted(text=text):
                self.note(text)

    def _on_proposed(self, proposed: Proposed) -> None:
        if not self._asked:
            self._began = self._last_line = time.monotonic()
            self._show_live(
                Live(
                    console=self._console,
                    get_renderable=self.render,
                    refresh_per_second=4,
                    transient=True,
                )
            )
        self._asked += len(proposed.specs)
        self._steps_waiting += sum(spec.steps for spec in proposed.specs)
        self._later, self._steps_later = proposed.later, proposed.later_steps
        self._datasets |= {spec.dataset for spec in proposed.specs}

    def _on_started(self, spec: TrialSpec, pack_size: int) -> None:
        if spec.trial_id in self._ended:  # as one may have, before its pack failed
            return
        if spec.trial_id not in self._begun:
            self._steps_waiting -= spec.steps
        self._begun[spec.trial_id] = _Trial(spec, _line(spec), pack_size)
        packs = sum(1 / trial.pack_size for trial in self._begun.values())
        self._most_packs = max(self._most_packs, packs)

    def _on_progress(self, spec: TrialSpec, progress: Progress) -> None:
        trial, now = self._begun.get(spec.trial_id), time.monotonic()
        if trial is None:  # begun just as the run was asked to stop
            return
        trial.latest = (progress.step, now)
        trial.began = trial.began or trial.latest
        line = trial.line
        line.step, line.sse = progress.step, progress.sse
        line.open_gates, line.multiplier = progress.open_gates, progress.multiplier
        if now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self._print_line(self._summary())

    def _on_ended(self, spec: TrialSpec, outcome: Outcome) -> None:
        if spec.trial_id in self._ended:
            return  # its pack was tried again because of another
        line = self._end(spec, outcome.status)
        line.step, line.sse, line.open_gates = spec.steps, outcome.sse, outcome.open_gates
        self._ended.add(spec.trial_id)
        self._seconds += outcome.seconds
        self._steps_ended += spec.steps
        facts = [f"{outcome.seconds:.0f} s"]
        if math.isfinite(outcome.sse):
            facts.insert(0, f"held-out sse {outcome.sse:.4g}")
        if outcome.open_gates is not None:  # of one without gates, or that diverged, none are known
            facts.insert(0, f"{outcome.open_gates} of {spec.width} gates open")
        self._print_line(
            f"{self._count()}  {self._name(spec)}  {outcome.status}: {', '.join(facts)}"
        )

    def _end(self, spec: TrialSpec, status: str) -> TrialLine:
        begun = self._begun.pop(spec.trial_id, None)
        line = begun.line if begun else _line(spec)
        line.status = status
        self._last_ended.append(line)
        return line

    def _on_worker_lost(self, specs: Sequence[TrialSpec]) -> None:
        for spec in specs:
            if spec.trial_id in self._begun:
                self._begun[spec.trial_id] = _Trial(spec, _line(spec, WAITING))

    def _show_live(self, live: Live | Status | None) -> None:
        self._live.close()
        if live is not None and not self._quiet and self._console.is_terminal:
            self._live.enter_context(live)

    def _name(self, spec: TrialSpec) -> str:
        return f"{spec.dataset} {spec.label}" if len(self._datasets) > 1 else spec.label

    def _print_line(self, text: str) -> None:
        if not self._quiet and not self._console.is_terminal:
            self.note(text)

    def _count(self) -> str:
        return f"[{len(self._ended) + self._failed}/{self._asked + self._later}]"

    def _summary(self) -> str:
        text = f"{self._count()} trials, {roughly(time.monotonic() - self._began)} elapsed"
        remaining = self.remaining()
        return text if remaining is None else f"{text}, about {roughly(remaining)} to go"

    def remaining(self) -> float | None:
        """Return the seconds to go, estimated; None if nothing is known yet."""
        training = [trial.pace for trial in self._begun.values()]
        steps = [trial.spec.steps for trial in self._begun.values()]
        known = self._steps_ended / len(self._ended) if self._ended else fmean(steps or [1])
        return seconds_to_go(
            training,
            (self._steps_waiting + self._steps_later) / known,
            [self._seconds / len(self._ended)] if self._ended else [],
            self._most_packs,
        )

    def render(self) -> RenderableType:
        """Draw what a terminal shows: all trials in training, then those that ended last."""
        room = max(3, self._console.height - 6)
        begun = [trial.line for trial in self._begun.values()]
        ended = list(self._last_ended)
        shown = ended[-max(0, room - len(begun)) :] if room > len(begun) else []
        table = trials_table(
            [*shown, *begun[:room]],
            self._console,
            several_datasets=len(self._datasets) > 1,
            saved=False,
        )
        return Group(table, Text(), Text(self._summary(), style="dim"))


def _line(spec: TrialSpec, status: str = TRAINING) -> TrialLine:
    return TrialLine(
        dataset=spec.dataset,
        tau=f"{spec.tau:.4g}",
        width=str(spec.width),
        seed=str(spec.seed),
        steps=spec.steps,
        status=status,
    )
