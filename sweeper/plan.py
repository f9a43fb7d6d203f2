"""What is to be trained: what was asked for, less what the ledger has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweeper.ledger import Ledger
from sweeper.study import StudyPlan
from trainer.errors import UserError
from trainer.spec import TrialSpec


@dataclass(frozen=True)
class Work:
    """The trials that a run has to train, and those it finds done."""

    missing: tuple[TrialSpec, ...]
    reused: int


def outstanding(plan: StudyPlan, ledger: Ledger) -> Work:
    """Compare a study with its ledger.

    Raises:
        UserError: if the folder holds another question than the plan's.
    """
    ledger.refuse_strangers()
    if not ledger.exists:
        return Work(plan.specs, 0)
    _refuse_another_question(plan, ledger)
    finished = ledger.finished()
    missing = tuple(spec for spec in plan.specs if spec.trial_id not in finished)
    return Work(missing, len(plan.specs) - len(missing))


def widened(request: dict[str, list[Any]], plan: StudyPlan) -> dict[str, list[Any]]:
    """Join what was asked of a folder before with what is asked now."""
    return {
        name: sorted({*request.get(name, []), *values}) for name, values in plan.request.items()
    }


def warnings(plan: StudyPlan) -> list[str]:
    """Say what about a plan is probably not meant."""
    ceiling = plan.dataset.mean_image_sse
    above = [tau for tau in plan.request["taus"] if tau >= ceiling]
    if not above:
        return []
    values = ", ".join(f"{tau:g}" for tau in above)
    return [
        f"τ = {values}: always answering the mean image of {plan.dataset.name!r} has an error of "
        f"{ceiling:.4g}, so no latent is needed from there up"
    ]


def _refuse_another_question(plan: StudyPlan, ledger: Ledger) -> None:
    manifest = ledger.manifest()
    asked: dict[str, Any] = {"study": plan.study, **plan.setting}
    there: dict[str, Any] = {"study": manifest["study"], **manifest["setting"]}
    for name, value in asked.items():
        if there.get(name, value) != value:
            raise UserError(
                f"{ledger.folder} holds a study with {name} = {_short(there[name])}, asked for "
                f"{_short(value)}; a folder holds one question: give another with --study"
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
