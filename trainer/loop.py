"""Training one trial from its first step, or its last checkpoint, to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer import evaluation, status
from trainer.checkpoint import Checkpoint, CheckpointFolder
from trainer.curve import CurvePoint, interval, is_finite, sample
from trainer.functional import gates
from trainer.hardware import device_name
from trainer.spec import Status, TrialResult
from trainer.state import TrainState
from trainer.trial import Trial


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Training stopped because it was asked to; with a checkpoint folder, it can go on."""


@dataclass(frozen=True)
class Trained:
    """A trial that came to its end."""

    result: TrialResult
    curve: list[CurvePoint]
    state: TrainState
    samples: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the surroundings want to hear and say while a trial trains. No result depends on it."""

    on_point: Callable[[CurvePoint], None] = lambda point: None
    """Called with each new point of the curve."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked before every step; cheap."""
    checkpoints: CheckpointFolder | None = None
    checkpoint_seconds: float = 20.0
    """Least time between two checkpoints."""


def train(trial: Trial, hooks: Hooks | None = None) -> Trained:
    """Train a trial to its end, continuing from its newest checkpoint if there is one.

    Raises:
        Interrupted: if `should_stop` said so; the state was saved first.
        OSError: if a checkpoint cannot be written.
    """
    hooks = hooks or Hooks()
    began = time.perf_counter()
    last = _begin(trial, hooks)
    seconds_before = last.seconds
    last = _train_on(trial, last, hooks)
    result = _judge(trial, last, seconds_before + time.perf_counter() - began)
    return Trained(result, last.curve, last.state, evaluation.samples(trial, last.state))


def _begin(trial: Trial, hooks: Hooks) -> Checkpoint:
    if hooks.checkpoints is not None:
        saved = hooks.checkpoints.latest(trial.device)
        if saved is not None:
            return saved
    return Checkpoint(trial.initial_state(), step=0, seconds=0.0, curve=[])


def _train_on(trial: Trial, last: Checkpoint, hooks: Hooks) -> Checkpoint:
    """Take the remaining steps; end early only where a value is no longer finite."""
    state, curve, steps = last.state, list(last.curve), trial.spec.steps
    every = interval(steps)
    began = saved = time.perf_counter()

    def here(step: int) -> Checkpoint:
        return Checkpoint(state, step, last.seconds + time.perf_counter() - began, curve)

    for step in range(last.step, steps):
        if hooks.should_stop():
            if hooks.checkpoints is not None:
                hooks.checkpoints.save(here(step))
            raise Interrupted(f"stopped at step {step} of {steps}")
        state, measures = trial.advance(state, step)
        taken = step + 1
        if taken % every == 0 or taken == steps:
            point = sample(state, measures, trial.constants, taken, here(taken).seconds)
            curve.append(point)
            hooks.on_point(point)
            if not is_finite(state):
                return here(taken)
            if hooks.checkpoints and time.perf_counter() - saved >= hooks.checkpoint_seconds:
                hooks.checkpoints.save(here(taken))
                saved = time.perf_counter()
    return here(steps)


def _judge(trial: Trial, end: Checkpoint, seconds: float) -> TrialResult:
    state, spec = end.state, trial.spec
    probabilities = gates.open_probability(state.gate_logits, trial.constants.k).tolist()
    finite = is_finite(state)
    point = end.curve[-1]
    held_out = evaluation.evaluate(trial, state)
    verdict = status.decide(
        spec,
        finite=finite,
        constraint_ma=point.constraint_ma,
        open_probabilities=probabilities,
        settled_step=int(state.settled_step),
    )
    return TrialResult(
        status=verdict,
        open_gates=point.open_gates if finite else None,
        gate_l1=point.gate_l1,
        train_sse=state.train_sse.item(),
        test_sse_sampled=held_out.sampled,
        test_sse_mean=held_out.mean,
        constraint_ma=point.constraint_ma,
        multiplier=point.multiplier,
        kl=state.kl.item(),
        settled_step=int(state.settled_step) if finite else None,
        seconds=seconds,
        steps_per_second=end.step / end.seconds if end.seconds > 0 else 0.0,
        device=device_name(trial.device),
        error=_explain(verdict, end.step),
    )


def _explain(verdict: Status, step: int) -> str:
    return f"a value was not finite at step {step}" if verdict is Status.DIVERGED else ""
