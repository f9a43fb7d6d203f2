"""What is shown while a run trains."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from sweeper.cli import display as display_module
from sweeper.cli.display import Display
from sweeper.messages import (
    Ended,
    Failed,
    Noted,
    Outcome,
    PackFailed,
    Progress,
    Progressed,
    Proposed,
    Started,
    WorkerLost,
)
from sweeper.run.tally import Tally
from trainer import TrialSpec


def _spec(tau: float, **changes: Any) -> TrialSpec:
    fields: dict[str, Any] = {
        "dataset": "digits", "dataset_sha256": "ab" * 32, "architecture": "dense", "layers": (8,),
        "tau": tau, "width": 16, "seed": 0, "steps": 1000,
    }  # fmt: skip
    return TrialSpec(**fields | changes)


ONE, OTHER = _spec(1.0), _spec(2.0)
FEASIBLE = Outcome("feasible", 5, 1.3, 12.0)


def _display(**options: Any) -> tuple[Display, Console]:
    console = Console(file=io.StringIO(), width=100, height=12, **options)
    return Display(console), console


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _drawn(display: Display, console: Console) -> list[str]:
    console.file = io.StringIO()
    console.print(display.render())
    return _text(console).splitlines()


def test_plain_output_is_a_line_per_ended_trial() -> None:
    display, console = _display()
    tally = Tally()
    events = [
        Proposed((ONE, OTHER), later=0, later_steps=0),
        Started(ONE),
        Progressed(ONE, Progress(500, 1.2, 9, 0.8)),
        Ended(ONE, FEASIBLE),
        Failed(OTHER, "OSError: [Errno 28] No space left on device"),
    ]
    with display.showing():
        for event in events:
            display.on_event(event)
            tally.on_event(event)
    assert _text(console).splitlines() == [
        "[1/2]  τ=1 width=16 seed=0  feasible: 5 of 16 gates open, held-out sse 1.3, 12 s",
        "τ=2 width=16 seed=0 failed: OSError: [Errno 28] No space left on device",
    ]
    assert (tally.trained, tally.failed, tally.trial_seconds) == (1, 1, 12.0)


def test_what_a_diverged_trial_does_not_have_is_not_told() -> None:
    display, console = _display()
    display.on_event(Proposed((ONE, OTHER), later=0, later_steps=0))
    display.on_event(Ended(ONE, Outcome("diverged", None, float("nan"), 12.0)))
    display.on_event(Ended(OTHER, Outcome("feasible", None, 1.3, 12.0)))
    assert _text(console).splitlines() == [
        "[1/2]  τ=1 width=16 seed=0  diverged: 12 s",
        "[2/2]  τ=2 width=16 seed=0  feasible: held-out sse 1.3, 12 s",
    ]


def test_a_terminal_shows_a_table_that_fits_with_the_trials_in_training() -> None:
    display, console = _display(force_terminal=True)
    specs = [_spec(0.1 * number) for number in range(1, 31)]
    with display.showing():
        display.on_event(Proposed(tuple(specs), later=0, later_steps=0))
        for spec in specs[:20]:
            display.on_event(Started(spec))
            display.on_event(Ended(spec, Outcome("infeasible", None, 1.3, 1.0)))
        display.on_event(Started(specs[20]))
        display.on_event(Progressed(specs[20], Progress(100, 3.0, 16, 1.0)))
        display.on_event(Progressed(specs[20], Progress(400, 2.5, 11, 2.0)))
    lines = _drawn(display, console)
    assert len(lines) <= 12
    assert "2.1" in lines[-3]
    assert "training" in lines[-3]
    assert "400" in lines[-3]
    assert "infeasible" in lines[-4]
    assert "[20/30] trials" in lines[-1]
    assert "to go" in lines[-1]


def test_eta_uses_the_steps_of_this_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(display_module.time, "monotonic", lambda: moment)
    display, _ = _display()
    display.on_event(Proposed((ONE, OTHER), later=0, later_steps=0))
    display.on_event(Started(ONE))
    display.on_event(Progressed(ONE, Progress(600, 1.0, 9, 1.0)))  # continued from a checkpoint
    assert display.remaining() is None
    moment = 10.0
    display.on_event(Progressed(ONE, Progress(800, 1.0, 9, 1.0)))
    assert display.remaining() == (200 + 1000) * 10.0 / 200


def test_trials_that_may_follow_count_as_waiting() -> None:
    display, console = _display()
    display.on_event(Proposed((ONE,), later=1, later_steps=1000))
    display.on_event(Started(ONE))
    display.on_event(Ended(ONE, FEASIBLE))
    display.on_event(Proposed((OTHER,), later=0, later_steps=0))
    display.on_event(Started(OTHER))
    display.on_event(Ended(OTHER, FEASIBLE))
    assert [line[:5] for line in _text(console).splitlines()] == ["[1/2]", "[2/2]"]


@pytest.mark.parametrize(
    "event", [WorkerLost((ONE, OTHER)), PackFailed((ONE, OTHER), "OSError: no")]
)
def test_a_trial_that_lost_its_worker_is_shown_as_waiting(event: Any) -> None:
    """Its pack may have ended one of its trials before, which stays as it ended."""
    display, console = _display(force_terminal=True)
    with display.showing():
        display.on_event(Proposed((ONE, OTHER), later=0, later_steps=0))
        for spec in (ONE, OTHER):
            display.on_event(Started(spec))
        display.on_event(Progressed(ONE, Progress(400, 2.5, 11, 2.0)))
        display.on_event(Ended(OTHER, FEASIBLE))
        display.on_event(event)
    shown = "\n".join(_drawn(display, console))
    assert "waiting" in shown
    assert "training" not in shown
    assert "400" not in shown
    assert "feasible" in shown
    assert "[1/2] trials" in shown


def test_a_trial_that_ends_twice_is_counted_once() -> None:
    """As in a pack that is tried again because of another of its trials."""
    display, console = _display()
    tally = Tally()
    for event in (
        Proposed((ONE, OTHER), later=0, later_steps=0),
        Started(ONE),
        Ended(ONE, FEASIBLE),
    ):
        display.on_event(event)
        tally.on_event(event)
    for event in (Started(ONE), Ended(ONE, FEASIBLE)):
        display.on_event(event)
        tally.on_event(event)
    assert _text(console).count("[1/2]") == 1
    assert (tally.trained, tally.trial_seconds) == (1, 12.0)


def test_a_quiet_display_shows_notes_alone() -> None:
    console = Console(file=io.StringIO(), width=100)
    display = Display(console, quiet=True)
    for event in (
        Proposed((ONE,), later=0, later_steps=0),
        Started(ONE),
        Ended(ONE, FEASIBLE),
        Noted("a note"),
    ):
        display.on_event(event)
    assert _text(console) == "a note\n"


def test_progress_of_a_trial_begun_while_the_run_stops_is_passed_over() -> None:
    """Its start was not announced, since nobody is to see new trials begin then."""
    display, console = _display()
    display.on_event(Proposed((ONE,), later=0, later_steps=0))
    display.on_event(Progressed(ONE, Progress(100, 2.5, 11, 2.0)))
    assert _text(console) == ""
    assert display.remaining() is None
