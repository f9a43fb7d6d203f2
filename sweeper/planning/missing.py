"""What is to be trained: what was asked for, less what the ledger has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sweeper.ledger.ledger import Ledger
from sweeper.studies.base import Sequel, StudyPlan, longest_first
from trainer.errors import UserError
from trainer.spec import TrialSpec


@dataclass(frozen=True)
class Work:
    """What is known of a plan's trials, given its ledger."""

    specs: tuple[TrialSpec, ...]
    """The trials that can be named, done or not."""
    missing: tuple[TrialSpec, ...]
    """Those of them that have to be trained."""
    waiting: tuple[Sequel, ...] = ()
    """Trials that can be named once a missing one is done."""
    impossible: tuple[Sequel, ...] = ()
    """Trials that follow on one that ended without an error to go by: it diverged."""

    @property
    def reused(self) -> int:
        """How many are done."""
        return len(self.specs) - len(self.missing)

    @property
    def asked(self) -> int:
        """How many there are in all."""
        return len(self.specs) + len(self.waiting) + len(self.impossible)


def outstanding(plan: StudyPlan, ledger: Ledger) -> Work:
    """Compare a study with its ledger.

    Raises:
        UserError: if the folder holds another question than the plan's.
    """
    ledger.refuse_strangers()
    if not ledger.exists:
        return Work(plan.specs, plan.specs, plan.sequels)
    _refuse_another_question(plan, ledger)
    errors = ledger.errors()
    specs, waiting, impossible = list(plan.specs), [], []
    for sequel in plan.sequels:
        error = errors.get(sequel.first.trial_id)
        if error is None:
            waiting.append(sequel)
        elif math.isnan(error):
            impossible.append(sequel)
        else:
            specs.append(sequel.spec(error))
    missing = longest_first([spec for spec in specs if spec.trial_id not in errors])
    return Work(tuple(specs), missing, tuple(waiting), tuple(impossible))


def widened(request: dict[str, list[Any]], plan: StudyPlan) -> dict[str, list[Any]]:
    """Join what was asked of a folder before with what is asked now."""
    return {
        name: sorted({*request.get(name, []), *values}) for name, values in plan.request.items()
    }


def warnings(plan: StudyPlan) -> list[str]:
    """Say what about a plan is probably not meant."""
    found = []
    for dataset in plan.datasets:
        ceiling = dataset.mean_image_sse
        taus = {spec.tau for spec in plan.specs if spec.dataset == dataset.name}
        above = ", ".join(f"{tau:g}" for tau in sorted(taus) if tau >= ceiling)
        if above:
            found.append(
                f"τ = {above}: always answering the mean image of {dataset.name!r} has an error "
                f"of {ceiling:.4g}, so no latent is needed from there up"
            )
    return found


def _refuse_another_question(plan: StudyPlan, ledger: Ledger) -> None:
    manifest = ledger.manifest()
    for name, value, there in _compared(plan, manifest):
        if there != value:
            raise UserError(
                f"{ledger.folder} holds a study with {name} = {_short(there)}, asked for "
                f"{_short(value)}; a folder holds one question: give another with --study"
            )


def _compared(plan: StudyPlan, manifest: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """List what must agree: its name, what is asked for, what the folder holds."""
    pairs = [("study", plan.study, manifest["study"])]
    if not plan.adds_datasets:
        pairs.append(("dataset", ", ".join(plan.settings), ", ".join(manifest["settings"])))
    for dataset, setting in plan.settings.items():
        there = manifest["settings"].get(dataset, {})
        pairs += [(name, value, there.get(name, value)) for name, value in setting.items()]
    return pairs


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
