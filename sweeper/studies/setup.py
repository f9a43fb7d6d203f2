"""What the trials of a study have in common, settled before any of them is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from sweeper.options import TrainingOptions
from trainer import data
from trainer.data import Dataset
from trainer.errors import MissingDataError, unknown_name
from trainer.spec import TrialSpec


@dataclass(frozen=True, kw_only=True)
class Setting:
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
        """Give one trial of this setting.

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


def prepare(
    dataset: str,
    training: TrainingOptions,
    data_dir: Path | None,
    console: Console,
    *,
    objective: str,
    paper_steps: int | None = None,
) -> Setting:
    """Settle on a setting from what the command line says, with the data set's own defaults.

    Args:
        dataset: its name.
        training: how to train.
        data_dir: where to look for files first.
        console: shows the progress of a download.
        objective: its name.
        paper_steps: what `--budget paper` means in this study; by default, the data set's.

    Raises:
        UserError: if a name is unknown, the data cannot be used, or the network cannot take it.
    """
    row = data.DATASETS.find(dataset)
    budgets = dict(row.budgets)
    if paper_steps is not None:
        budgets["paper"] = paper_steps
    if training.budget not in budgets:
        raise unknown_name("budget", training.budget, budgets)
    # Loads torch, which takes seconds; a mistyped data set or budget is told before that.
    from trainer.networks import NETWORKS, choose_layers
    from trainer.objectives import OBJECTIVES

    chosen = NETWORKS.find(training.architecture or row.architecture)
    widths = choose_layers(chosen, training.layers, row.image_shape)
    OBJECTIVES.find(objective)
    return Setting(
        dataset=load_or_fetch(dataset, data_dir, console),
        architecture=chosen.name,
        layers=widths,
        steps=budgets[training.budget] if training.steps is None else training.steps,
        objective=objective,
        tolerance=training.tolerance,
        learning_rate=training.learning_rate,
        budget=training.budget if training.steps is None else "--steps",
    )


def load_or_fetch(name: str, data_dir: Path | None, console: Console) -> Dataset:
    """Open a data set, after downloading it if it is not on disk.

    Raises:
        UserError: if it is neither on disk nor to be had, or is not what it should be.
    """
    with _progress_bars(console) as show:
        try:
            return data.load(name, data_dir, show)
        except MissingDataError:
            data.fetch(name, data_dir, show)
            return data.load(name, data_dir, show)


def fetch(name: str, data_dir: Path | None, console: Console) -> tuple[Path, ...]:
    """Download a data set, with a progress bar a file.

    Raises:
        UserError: if a file cannot be downloaded, verified or written.
    """
    with _progress_bars(console) as show:
        return data.fetch(name, data_dir, show)


@contextmanager
def _progress_bars(console: Console) -> Iterator[data.Progress]:
    """Show, in a terminal, a bar for each file that is downloaded or converted."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done, total=total)

        yield show
