"""What a reader must know before relying on a study, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from analysis import axes
from analysis.computed.front import FrontData
from analysis.format import count
from analysis.study_data import StudyData
from sweeper.ledger.units import counted
from trainer.verdict import Status

ADVICE = {
    Status.FAILED: "Read the error, then run the same command again: it trains only what is "
    "missing.",
    Status.DIVERGED: "Lower the learning rate, or check that the data's pixels are in [0, 1].",
    Status.INFEASIBLE: "Raise τ (--taus), train longer (--steps), or start with more dimensions "
    "(--widths).",
    Status.UNSETTLED: "Train longer (--steps): a gate was still undecided or moving at the end.",
}
"""What to try, by status."""


@dataclass(frozen=True)
class StudyWarning:
    """One thing to know, with the trials concerned."""

    title: str
    advice: str
    details: tuple[tuple[str, str], ...] = ()
    """Pairs of a trial's label, or a file's name, and what was measured."""


Check: TypeAlias = Callable[[StudyData], StudyWarning | None]


def compute_warnings(study: StudyData, *others: StudyWarning | None) -> tuple[StudyWarning, ...]:
    """Return the warnings about a study, the gravest first, then the `others` there are."""
    found = (*(check(study) for check in CHECKS), *others)
    return tuple(warning for warning in found if warning is not None)


def _rebuilt(study: StudyData) -> StudyWarning | None:
    why = study.manifest.rebuilt
    advice = "Run the same command again: it writes study.json anew and trains what is missing."
    lines = (("study.json", why),)
    return StudyWarning("study.json is lost or damaged", advice, lines) if why else None


def _damaged(study: StudyData) -> StudyWarning | None:
    lines = tuple((name, "left out of this report") for name in study.ledger.damaged())
    advice = "Run the same command again: it trains these trials anew."
    return StudyWarning(f"{_rows(lines)} cannot be read", advice, lines) if lines else None


def _damaged_files(study: StudyData) -> StudyWarning | None:
    files = study.files
    if not files.faults:
        return None
    advice = f"{files.advice} Such models are not recommended, such curves and images not shown."
    return StudyWarning(files.title, advice, tuple(files.details()))


def _unchecked_files(study: StudyData) -> StudyWarning | None:
    line = study.files.unchecked_line
    advice = "Run the same command again: it checks all."
    return StudyWarning(line[:1].upper() + line[1:], advice) if study.files.unchecked else None


def _missing(study: StudyData) -> StudyWarning | None:
    asked = set(study.manifest.asked)
    waiting = len(study.manifest.waiting)
    missing = len(asked - set(study.trials["trial_id"])) + waiting
    if not missing:
        return None
    return StudyWarning(
        f"{missing} of the {counted(len(asked) + waiting, 'trial')} asked for "
        f"{'has' if missing == 1 else 'have'} not finished",
        "Run the same command again: it continues where it stopped.",
    )


def _failed(study: StudyData) -> StudyWarning | None:
    trials = _with_status(study, Status.FAILED)
    details = _details(trials, lambda trial: trial.error or "no error was recorded")
    return _about(details, "failed", ADVICE[Status.FAILED])


def _diverged(study: StudyData) -> StudyWarning | None:
    trials = _with_status(study, Status.DIVERGED)
    details = _details(trials, lambda trial: trial.error or "a value was no longer a number")
    return _about(details, "diverged", ADVICE[Status.DIVERGED])


def _infeasible(study: StudyData) -> StudyWarning | None:
    trials = _with_status(study, Status.INFEASIBLE)
    details = _details(
        trials,
        lambda trial: (
            f"ended {trial.constraint_ma:.3g} above τ, "
            f"{count(trial.open_gates)} of {trial.width} gates open"
        ),
    )
    return _about(details, "did not hold τ (infeasible)", ADVICE[Status.INFEASIBLE])


def _unsettled(study: StudyData) -> StudyWarning | None:
    trials = _with_status(study, Status.UNSETTLED)
    details = _details(
        trials,
        lambda trial: (
            f"last change at step {count(trial.settled_step)} of {trial.steps}, "
            f"gates sum to {trial.gate_l1:.2f}"
        ),
    )
    return _about(details, "had not settled", ADVICE[Status.UNSETTLED])


def _lambda_at_bound(study: StudyData) -> StudyWarning | None:
    # With τ = 0 the error can never be weighted highly enough: that is what was asked for.
    held = study.trials[study.trials["tau"] > 0]
    trials = held[held["lambda_at_bound"] != ""]
    details = _details(trials, lambda trial: f"at its {trial.lambda_at_bound} bound")
    return _about(
        details,
        "ended with λ' at a bound",
        "At the upper bound the error could not be weighted any higher: τ is too low for this "
        "network, or the bound too low for this data. At the lower bound τ is no constraint any "
        "more: a lower τ may cost no dimension.",
    )


def _above_tau(study: StudyData) -> StudyWarning | None:
    """Warn of trials that hold τ in training but not on held-out images."""
    feasible = _with_status(study, Status.FEASIBLE)
    above = feasible["test_sse_sampled"] > feasible["tau_limit"]
    trials = feasible[above & (feasible["tau"] > 0)]
    details = _details(
        trials,
        lambda trial: f"{trial.test_sse_sampled:.3g} sampled, {trial.test_sse_mean:.3g} mean",
    )
    return _about(
        details,
        "held τ in training, but not on held-out images",
        "Where the error with mean latents is below τ, reconstruct with those. Where it is not, "
        "the network fits its training images better than others: plan with the held-out error.",
    )


def few_seeds(front: FrontData) -> StudyWarning | None:
    """Warn of points of the front that leave seeds out."""
    points = [point for point in front.front if point.seeds < point.trials]
    details = tuple(
        (axes.label(vars(point)), f"{point.seeds} of {point.trials} feasible") for point in points
    )
    rest = "rests on some of its" if len(points) == 1 else "rest on some of their"
    title = f"{len(points)} of the front's points {rest} seeds only"
    advice = "Their medians leave out the seeds that are not feasible: expect such runs again."
    return StudyWarning(title, advice, details) if points else None


def _no_gates(study: StudyData) -> StudyWarning | None:
    feasible = _with_status(study, Status.FEASIBLE)
    details = _details(feasible[feasible["open_gates"] == 0], lambda trial: "0 open gates")
    advice = "τ is above the error of the mean image, so that no latent is needed: lower τ."
    return _about(details, "closed every gate", advice)


CHECKS: tuple[Check, ...] = (
    _rebuilt,
    _damaged,
    _damaged_files,
    _unchecked_files,
    _missing,
    _failed,
    _diverged,
    _infeasible,
    _unsettled,
    _lambda_at_bound,
    _above_tau,
    _no_gates,
)


def _with_status(study: StudyData, status: Status) -> pd.DataFrame:
    return study.trials[study.trials["status"] == status]


def _details(trials: pd.DataFrame, describe: Callable[..., str]) -> tuple[tuple[str, str], ...]:
    return tuple((trial.label, describe(trial)) for trial in trials.itertuples())


def _about(details: tuple[tuple[str, str], ...], what: str, advice: str) -> StudyWarning | None:
    return (
        StudyWarning(f"{counted(len(details), 'trial')} {what}", advice, details)
        if details
        else None
    )


def _rows(lines: tuple[tuple[str, str], ...]) -> str:
    return f"{counted(len(lines), 'row')} of the ledger"
