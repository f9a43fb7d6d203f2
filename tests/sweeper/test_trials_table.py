"""What is shown while a run trains."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from sweeper.cli.trials_table import Display
from sweeper.messages import Finished, Progress
from trainer import TrialSpec


def _spec(tau: float) -> TrialSpec:
    return TrialSpec(
        dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(8,),
        tau=tau, width=16, seed=0, steps=1000,
    )  # fmt: skip


def _display(**options: Any) -> tuple[Display, Console]:
    console = Console(file=io.StringIO(), width=100, height=12, **options)
    return Display(console), console


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_output_is_a_line_per_ended_trial() -> None:
    display, console = _display()
    specs = [_spec(1.0), _spec(2.0)]
    with display.showing(specs):
        display.started(specs[0])
        display.progressed(specs[0], Progress(500, 1.2, 9, 0.8))
        display.finished(specs[0], Finished("feasible", 5, 1.3, 12.0))
        display.failed(specs[1], "OSError: [Errno 28] No space left on device")
    assert _text(console).splitlines() == [
        "[1/2]  τ=1 width=16 seed=0  feasible: 5 of 16 gates open, held-out sse 1.3, 12 s",
        "τ=2 width=16 seed=0 failed: OSError: [Errno 28] No space left on device",
    ]
    assert (display.trained, display.failures, display.trial_seconds) == (1, 1, 12.0)


def test_a_terminal_shows_a_table_that_fits_with_those_in_training() -> None:
    display, console = _display(force_terminal=True)
    specs = [_spec(0.1 * number) for number in range(1, 31)]
    with display.showing(specs):
        for spec in specs[:20]:
            display.started(spec)
            display.finished(spec, Finished("infeasible", None, 1.3, 1.0))
        display.started(specs[20])
        display.progressed(specs[20], Progress(100, 3.0, 16, 1.0))
        display.progressed(specs[20], Progress(400, 2.5, 11, 2.0))
    console.file = io.StringIO()
    console.print(display._render())
    lines = _text(console).splitlines()
    assert len(lines) <= 12
    assert "2.1" in lines[-3]
    assert "training" in lines[-3]
    assert "400" in lines[-3]
    assert "infeasible" in lines[-4]
    assert "[20/30] trials" in lines[-1]
    assert "to go" in lines[-1]


def test_what_is_to_go_is_told_from_the_steps_of_this_run() -> None:
    display, _ = _display()
    specs = [_spec(1.0), _spec(2.0)]
    with display.showing(specs):
        display.started(specs[0])
        display.progressed(specs[0], Progress(600, 1.0, 9, 1.0))  # continued from a checkpoint
        assert display._remaining(10.0) is None
        display.progressed(specs[0], Progress(800, 1.0, 9, 1.0))
        assert display._remaining(10.0) == 1200 * 10.0 / 200
