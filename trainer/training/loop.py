"""Training trials from their first step, or their last checkpoint, to their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from trainer import verdict
from trainer.functional import gates
from trainer.hardware import device_name, precision_name
from trainer.objectives.measures import CurvePoint, finite, interval
from trainer.objectives.state import BatchMeasures, TrainState
from trainer.result import TrialResult
from trainer.step.stepper import make_stepper
from trainer.step.trial import Trial
from trainer.training import evaluation
from trainer.training.checkpoint import Checkpoint, CheckpointFolder
from trainer.verdict import Status


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Training was asked to stop; with a checkpoint folder, it can go on later."""


@dataclass(frozen=True)
class Trained:
    """A finished trial."""

    result: TrialResult
    curve: list[CurvePoint]
    state: TrainState
    samples: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What is called while a trial trains, and where checkpoints go. No result depends on it."""

    on_begin: Callable[[int], None] = lambda step: None
    """Called with the step from which the trial goes on; 0 if it has no checkpoint."""
    on_point: Callable[[CurvePoint], None] = lambda point: None
    """Called with each new point of the curve."""
    should_stop: Callable[[], bool] = lambda: False
    """Called before every step, so it must be cheap."""
    checkpoints: CheckpointFolder | None = None
    checkpoint_seconds: float = 20.0
    """Least time between two checkpoints."""


def train(trial: Trial, hooks: Hooks | None = None) -> Trained:
    """Train a trial to its end, continuing from its newest checkpoint if there is one.

    Raises:
        Interrupted: if `should_stop` returned True; the state is saved first.
        OSError: if a checkpoint cannot be written.
    """
    (trained,) = train_together([trial], [hooks or Hooks()])
    return trained


def train_together(
    trials: Sequence[Trial], hooks: Sequence[Hooks], *, compiled: bool = False
) -> list[Trained]:
    """Train trials together, each from its own checkpoint to its own end.

    Each trial's time is its share of the time that they take together.

    Args:
        trials: of one kind (`trainer.step.pack.packable`), on one device.
        hooks: one for each trial; if one is asked to stop, all stop.
        compiled: see `trainer.step.stepper.make_stepper`.

    Raises:
        Interrupted: if a `should_stop` returned True; all states are saved first.
        UserError: if the trials cannot be trained together, or their step not be compiled.
        OSError: if a checkpoint cannot be written.
    """
    began = time.perf_counter()
    members = [_Member.begin(trial, each) for trial, each in zip(trials, hooks, strict=True)]
    before = [member.seconds for member in members]
    _Training(members, compiled=compiled).run()
    spent = (time.perf_counter() - began) / len(members)
    return [
        Trained(
            _judge(member, seconds + spent, compiled=compiled),
            member.curve,
            member.state,
            evaluation.samples(member.trial, member.state),
        )
        for member, seconds in zip(members, before, strict=True)
    ]


@dataclass
class _Member:
    """A trial in training."""

    trial: Trial
    hooks: Hooks
    state: TrainState
    """As of the last checkpoint, or at the end."""
    step: int
    seconds: float
    """Its share of the training time."""
    curve: list[CurvePoint]
    ended: bool = False
    every: int = field(init=False)

    def __post_init__(self) -> None:
        self.every = interval(self.trial.spec.steps)
        self.ended = self.step == self.trial.spec.steps

    @classmethod
    def begin(cls, trial: Trial, hooks: Hooks) -> _Member:
        start = trial.initial_state()
        checkpoints, steps = hooks.checkpoints, trial.spec.steps
        saved = checkpoints.latest(trial.device, start, steps) if checkpoints else None
        hooks.on_begin(saved.step if saved else 0)
        if saved is None:
            return cls(trial, hooks, start, 0, 0.0, [])
        return cls(trial, hooks, saved.state, saved.step, saved.seconds, list(saved.curve))

    @property
    def has_a_point(self) -> bool:
        return self.step % self.every == 0 or self.step == self.trial.spec.steps

    def save(self, state: TrainState) -> None:
        if self.hooks.checkpoints is not None:
            self.hooks.checkpoints.save(Checkpoint(state, self.step, self.seconds, self.curve))


class _Training:
    """Members that are trained together."""

    def __init__(self, members: Sequence[_Member], *, compiled: bool) -> None:
        self.members = members
        self.stepper = make_stepper([member.trial for member in members], compiled=compiled)
        self.joint = self.stepper.join([member.state for member in members])
        self.steps = [member.step for member in members]
        self.checkpoint_seconds = min(member.hooks.checkpoint_seconds for member in members)
        self.saved = self.clock = time.perf_counter()

    def run(self) -> None:
        """Take the remaining steps; a trial ends early only where a value is no longer finite."""
        while active := [index for index, member in enumerate(self.members) if not member.ended]:
            if any(self.members[index].hooks.should_stop() for index in active):
                self._count_time(active)
                self._save(active)
                raise Interrupted(f"stopped at step {self.members[active[0]].step}")
            # A member that has ended is still computed, unused, until all have.
            self.joint, measures = self.stepper.advance(self.joint, self.steps)
            self.steps = [step + 1 for step in self.steps]
            for index in active:
                self.members[index].step += 1
            if any(self.members[index].has_a_point for index in active):
                self._observe(active, measures)

    def _observe(self, active: Sequence[int], measures: BatchMeasures) -> None:
        observations = self.stepper.observe(self.joint, measures)
        self._count_time(active)
        for index in active:
            member, observed = self.members[index], observations[index]
            if not member.has_a_point:
                continue
            member.curve.append(observed.point(member.step, member.seconds))
            member.hooks.on_point(member.curve[-1])
            if member.step == member.trial.spec.steps or not observed.finite:
                member.ended, member.state = True, self.stepper.split(self.joint, index)
        if time.perf_counter() - self.saved >= self.checkpoint_seconds:
            self._save([index for index in active if not self.members[index].ended])
            self.saved = time.perf_counter()

    def _count_time(self, active: Sequence[int]) -> None:
        share = (time.perf_counter() - self.clock) / len(active)
        self.clock = time.perf_counter()
        for index in active:
            self.members[index].seconds += share

    def _save(self, active: Sequence[int]) -> None:
        for index in active:
            self.members[index].save(self.stepper.split(self.joint, index))


def _judge(member: _Member, seconds: float, *, compiled: bool) -> TrialResult:
    trial, state = member.trial, member.state
    probabilities = gates.open_probability(state.gate_logits, trial.constants.k).tolist()
    is_finite = bool(finite(state))
    point = member.curve[-1]
    held_out = evaluation.evaluate(trial, state)
    status = verdict.decide(
        trial.spec,
        finite=is_finite,
        constraint_ma=point.constraint_ma,
        open_probabilities=probabilities,
        settled_step=int(state.settled_step),
    )
    return TrialResult(
        status=status,
        open_gates=point.open_gates if is_finite else None,
        gate_l1=point.gate_l1,
        train_sse=state.train_sse.item(),
        test_sse_sampled=held_out.sampled,
        test_sse_mean=held_out.mean,
        constraint_ma=point.constraint_ma,
        multiplier=point.multiplier,
        kl=state.kl.item(),
        settled_step=int(state.settled_step) if is_finite else None,
        seconds=seconds,
        steps_per_second=member.step / member.seconds if member.seconds > 0 else 0.0,
        device=device_name(trial.device),
        error=_explain(status, member.step),
        precision=precision_name(trial.device),
        compiled=compiled,
    )


def _explain(status: Status, step: int) -> str:
    return f"a value was not finite at step {step}" if status is Status.DIVERGED else ""
