"""What is to be trained: what a study wants, less what the ledger has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.ledger.ledger import Ledger
from sweeper.ledger.manifest import Manifest
from sweeper.studies.base import Plan, Proposal, Rows, longest_first
from trainer.errors import UserError
from trainer.spec import TrialSpec

SHOWN = 10
"""Values that a warning lists."""


@dataclass(frozen=True)
class Work:
    """What a plan wants at this moment, and which part of it has to be trained."""

    proposal: Proposal
    missing: tuple[TrialSpec, ...]
    """The trials that can be named and have not finished, those first that take longest."""

    @property
    def reused(self) -> int:
        """How many trials have finished."""
        return len(self.proposal.specs) - len(self.missing)

    @property
    def asked(self) -> int:
        """How many trials there are in all."""
        proposal = self.proposal
        return len(proposal.specs) + len(proposal.later) + len(proposal.impossible)

    def to_train(self) -> tuple[TrialSpec, ...]:
        """Return `missing`, and for each trial that cannot be named yet one that is like it."""
        return (*self.missing, *(trial.like for trial in self.proposal.later))


def missing_trials(plan: Plan, ledger: Ledger, without: Collection[str] = ()) -> Work:
    """Compare a plan with its ledger.

    Args:
        plan: the study.
        ledger: its ledger.
        without: trials that are taken not to have ended.

    Raises:
        UserError: if the folder holds another question than the plan's.
    """
    ledger.check_is_study()
    if not ledger.exists:
        return remaining_work(plan, {})
    _check_same_question(plan, ledger)
    ended = ledger.ended()
    return remaining_work(plan, {each: ended[each] for each in ended if each not in without})


def remaining_work(plan: Plan, rows: Rows) -> Work:
    """Return what there is to train, given how trials ended."""
    proposal = plan.propose(rows)
    missing = [
        spec
        for spec in proposal.specs
        if (row := rows.get(spec.trial_id)) is None or not row.finished
    ]
    return Work(proposal, longest_first(missing))


def widened(request: Mapping[str, Sequence[Any]], plan: Plan) -> dict[str, list[Any]]:
    """Join what was asked of a folder before with what is asked now."""
    return {
        name: sorted({*request.get(name, []), *values}, key=_order)
        for name, values in plan.request.items()
    }


def _order(value: Any) -> tuple[bool, Any]:
    """Sort numbers by their size, before words."""
    return isinstance(value, str), value


def warnings(plan: Plan) -> list[str]:
    """Return what about a plan is probably not meant, a line each."""
    found = []
    specs = plan.propose({}).specs
    for dataset in plan.datasets:
        ceiling = dataset.mean_image_sse
        taus = {spec.tau for spec in specs if spec.dataset == dataset.name}
        above = [f"{tau:g}" for tau in sorted(taus) if tau >= ceiling]
        if above:
            found.append(
                f"τ = {_listed(above)}: always answering the mean image of {dataset.name!r} has "
                f"an error of {ceiling:.4g}, so no latent is needed from there up"
            )
    return found


def _listed(values: Sequence[str]) -> str:
    """Write all values, or of many the first and the last."""
    if len(values) <= SHOWN:
        return ", ".join(values)
    return f"{', '.join(values[: SHOWN - 1])}, …, {values[-1]} ({len(values):,} values)"


def _check_same_question(plan: Plan, ledger: Ledger) -> None:
    for name, asked, there in _compared(plan, ledger.manifest()):
        if there != asked:
            raise UserError(
                f"{ledger.folder} holds a study with {name} = {_short(there)}, asked for "
                f"{_short(asked)}; a folder holds one question: give another with --study"
            )


def _compared(plan: Plan, manifest: Manifest) -> Iterator[tuple[str, Any, Any]]:
    """Yield what must agree: its name, what is asked for, what the folder holds."""
    yield "study", plan.study, manifest.study
    if not plan.adds_datasets:
        yield "dataset", ", ".join(plan.settings), ", ".join(manifest.settings)
    for dataset, settings in plan.settings.items():
        there = manifest.settings.get(dataset, {})
        for name, value in settings.items():
            yield name, value, there.get(name, value)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "…"
