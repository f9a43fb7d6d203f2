"""What the trials of a study on one data set have in common, settled before any is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sweeper.options import option
from trainer import data
from trainer.data import Dataset
from trainer.errors import UserError, unknown_name
from trainer.spec import TrialSpec

MAX_TOLERANCE = 1.0
"""An error of twice τ, with which τ would say nothing any more."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How trials are trained; part of a study's question."""

    budget: str | None = option(
        None,
        help="Steps by name: quick, standard, or paper (the paper's for this study). Default: "
        "standard.",
    )
    steps: int | None = option(None, help="Steps a trial, instead of a budget.")
    architecture: str | None = option(
        None, help="dense, conv28 or conv64. Default: the data set's."
    )
    layers: str | None = option(
        None,
        help="Units or channels of the encoder's stages, as 128,64. Default: the architecture's.",
    )
    tolerance: float = option(
        0.03, help="A trial is infeasible if its error ends above τ by this share of τ."
    )
    learning_rate: float = option(1e-3, help="Of Adam.")


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """A data set and how to train on it."""

    dataset: Dataset
    architecture: str
    layers: tuple[int, ...]
    steps: int
    objective: str
    tolerance: float
    learning_rate: float
    budget: str
    """The steps as they were asked for: `quick`, `standard`, `paper` or `--steps`."""

    def spec(self, *, tau: float, width: int, seed: int) -> TrialSpec:
        """Return one trial of this setup.

        Raises:
            UserError: if it cannot be trained.
        """
        from trainer.objectives import OBJECTIVES  # loads torch

        spec = TrialSpec(
            dataset=self.dataset.name,
            dataset_sha256=self.dataset.sha256,
            architecture=self.architecture,
            layers=self.layers,
            steps=self.steps,
            objective=self.objective,
            tolerance=self.tolerance,
            learning_rate=self.learning_rate,
            tau=tau,
            width=width,
            seed=seed,
        )
        OBJECTIVES.find(self.objective).check(spec)
        return spec


def resolve(
    dataset: str,
    training: TrainingOptions,
    open_dataset: Callable[[str], Dataset],
    *,
    objective: str,
    paper_steps: int | None = None,
) -> TrainingSetup:
    """Settle on a setup from what was asked, with the data set's own defaults.

    Args:
        dataset: its name.
        training: how to train.
        open_dataset: opens the data set; asked last, since it may have to download it.
        objective: its name.
        paper_steps: what `--budget paper` means in this study; by default, the data set's.

    Raises:
        UserError: if a name is unknown, the data cannot be used, or the network cannot take it.
    """
    row = data.DATASETS.find(dataset)
    budgets = dict(row.budgets)
    if paper_steps is not None:
        budgets["paper"] = paper_steps
    budget, steps = _steps(training, budgets)
    if training.tolerance > MAX_TOLERANCE:
        raise UserError(
            f"tolerance is a share of τ, from above 0 to {MAX_TOLERANCE:g}, found "
            f"{training.tolerance:g}; raise τ to allow a larger error"
        )
    # Loads torch, which takes seconds; a mistyped data set or budget is found before that.
    from trainer.networks import NETWORKS, choose_layers
    from trainer.objectives import OBJECTIVES

    chosen = NETWORKS.find(training.architecture or row.architecture)
    layers = choose_layers(chosen, training.layers, row.image_shape)
    OBJECTIVES.find(objective)
    return TrainingSetup(
        dataset=open_dataset(dataset),
        architecture=chosen.name,
        layers=layers,
        steps=steps,
        objective=objective,
        tolerance=training.tolerance,
        learning_rate=training.learning_rate,
        budget=budget,
    )


def _steps(training: TrainingOptions, budgets: Mapping[str, int]) -> tuple[str, int]:
    """Return how the steps were asked for, and how many they are."""
    if training.steps is None:
        budget = "standard" if training.budget is None else training.budget
        if budget not in budgets:
            raise unknown_name("budget", budget, budgets)
        return budget, budgets[budget]
    if training.budget is not None:
        raise UserError(
            f"both --budget {training.budget} and --steps {training.steps} say how many steps a "
            "trial takes; leave one of them away"
        )
    return "--steps", training.steps
