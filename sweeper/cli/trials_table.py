"""What a run shows while it trains: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.ledger.units import roughly
from sweeper.messages import Finished, Progress
from sweeper.studies.base import Sequel
from trainer.spec import TrialSpec

TRAINING, FAILED = "training", "failed"

LINE_SECONDS = 60.0
"""How often plain output says how far a run is."""

STYLES = {
    "feasible": "green",
    "unsettled": "yellow",
    "infeasible": "red",
    "diverged": "red",
    "failed": "bold red",
}
"""Colours of the statuses in a terminal."""


@dataclass
class _Row:
    spec: TrialSpec
    status: str = TRAINING
    step: int = 0
    began_at: int | None = None
    """The step at which this run's training began, behind which a checkpoint lay."""
    sse: float | None = None
    open_gates: int | None = None
    multiplier: float | None = None


class Display:
    """Listens to a run and shows it on a console.

    Args:
        console: where; a terminal gets a live table, anything else a line now and then.
        quiet: show nothing but notes.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._rows: dict[str, _Row] = {}
        self._specs: list[TrialSpec] = []
        self._waiting: Sequence[Sequel] = ()
        self._began = time.monotonic()
        self._last_line = self._began
        self.trained = 0
        self.failures = 0
        self.trial_seconds = 0.0

    @contextmanager
    def showing(self, specs: Sequence[TrialSpec], waiting: Sequence[Sequel] = ()) -> Iterator[None]:
        """Show the training of these trials; more are waiting for them."""
        if not self._specs:
            self._began = self._last_line = time.monotonic()
        self._specs += specs
        self._waiting = waiting
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(
            console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True
        ):
            yield

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show, in a terminal, that something takes a while."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with self._console.status(text):
            yield

    def note(self, text: str) -> None:
        """Say something once."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def started(self, spec: TrialSpec) -> None:
        """See `sweeper.backends.base.Listener`."""
        row = self._rows.get(spec.trial_id)
        if row is None or row.status == TRAINING:  # not one that ended before its pack failed
            self._rows[spec.trial_id] = _Row(spec)

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """See `sweeper.backends.base.Listener`."""
        row = self._rows.setdefault(spec.trial_id, _Row(spec))
        row.began_at = progress.step if row.began_at is None else row.began_at
        row.step, row.sse = progress.step, progress.sse
        row.open_gates, row.multiplier = progress.open_gates, progress.multiplier
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            self._line(self._summary())

    def finished(self, spec: TrialSpec, outcome: Finished) -> None:
        """See `sweeper.backends.base.Listener`."""
        row = self._rows.setdefault(spec.trial_id, _Row(spec))
        if row.status not in (TRAINING, FAILED):
            return  # told before: its pack was tried again because of another
        row.status, row.step = outcome.status, spec.steps
        row.sse, row.open_gates = outcome.sse, outcome.open_gates
        self.trained += 1
        self.trial_seconds += outcome.seconds
        gates = "no" if outcome.open_gates is None else f"{outcome.open_gates} of {spec.width}"
        self._line(
            f"{self._count()}  {self._name(spec)}  {outcome.status}: {gates} gates open, "
            f"held-out sse {outcome.sse:.4g}, {outcome.seconds:.0f} s"
        )

    def failed(self, spec: TrialSpec, error: str) -> None:
        """See `sweeper.backends.base.Listener`."""
        self._rows.setdefault(spec.trial_id, _Row(spec)).status = FAILED
        self.failures += 1
        self.note(f"{self._name(spec)} failed: {error}")

    def broken(self, pack: Sequence[TrialSpec], error: str) -> None:
        """See `sweeper.backends.base.Listener`."""
        self.note(f"a pack of {len(pack)} trials failed, each is tried alone: {error}")

    def _name(self, spec: TrialSpec) -> str:
        return f"{spec.dataset} {spec.label}" if self._several_datasets else spec.label

    @property
    def _several_datasets(self) -> bool:
        return len({spec.dataset for spec in self._specs}) > 1

    def _line(self, text: str) -> None:
        if not self._quiet and not self._console.is_terminal:
            self.note(text)

    def _count(self) -> str:
        ended = self.trained + self.failures
        return f"[{ended}/{len(self._specs) + len(self._waiting)}]"

    def _summary(self) -> str:
        elapsed = time.monotonic() - self._began
        text = f"{self._count()} trials, {roughly(elapsed)} elapsed"
        remaining = self._remaining(elapsed)
        return text if remaining is None else f"{text}, about {roughly(remaining)} to go"

    def _remaining(self, elapsed: float) -> float | None:
        """Estimate the seconds to go from the steps that this run has taken so far."""
        taken = sum(row.step - row.began_at for row in self._rows.values() if row.began_at)
        at = {trial_id: row.step for trial_id, row in self._rows.items()}
        to_go = sum(spec.steps - at.get(spec.trial_id, 0) for spec in self._specs)
        to_go += sum(sequel.steps for sequel in self._waiting)
        return to_go * elapsed / taken if taken else None

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        if self._several_datasets:
            table.add_column("data set")
        for heading in ("τ", "width", "seed", "step", ""):
            table.add_column(heading, justify="right" if heading else "left")
        for heading in ("sse", "open gates", "λ′"):
            table.add_column(heading, justify="right")
        table.add_column("status")
        for row in self._visible():
            first = [row.spec.dataset] if self._several_datasets else []
            table.add_row(*first, *_cells(row))
        return Group(table, Text(), Text(self._summary(), style="dim"))

    def _visible(self) -> list[_Row]:
        """Choose the rows that fit: all in training, then those that ended last."""
        room = max(3, self._console.height - 6)
        training = [row for row in self._rows.values() if row.status == TRAINING]
        ended = [row for row in self._rows.values() if row.status != TRAINING]
        shown = ended[-max(0, room - len(training)) :] if room > len(training) else []
        return [*shown, *training[:room]]


def progress_bar(step: int, steps: int) -> ProgressBar:
    """Draw how far a trial is. The colours of how it ended are its status's alone."""
    return ProgressBar(steps, step, width=20, complete_style="cyan", finished_style="dim")


def _weight(multiplier: float) -> str:
    return f"{multiplier:.3f}" if multiplier >= 0.001 else f"{multiplier:.0e}"


def _cells(row: _Row) -> list[RenderableType]:
    spec = row.spec
    return [
        f"{spec.tau:.4g}",
        str(spec.width),
        str(spec.seed),
        f"{row.step:,}",
        progress_bar(row.step, spec.steps),
        "" if row.sse is None or math.isnan(row.sse) else f"{row.sse:.3f}",
        "" if row.open_gates is None else str(row.open_gates),
        "" if row.multiplier is None else _weight(row.multiplier),
        Text(row.status, style=STYLES.get(row.status, "")),
    ]
