"""What the trials of a study have in common, settled before any of them is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from trainer import datasets
from trainer.datasets import Dataset
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

    def spec(self, *, tau: float, width: int, seed: int) -> TrialSpec:
        """Give one trial of this setting."""
        return TrialSpec(
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


def prepare(
    *,
    dataset: str,
    architecture: str | None,
    layers: str | None,
    budget: str,
    steps: int | None,
    objective: str,
    tolerance: float,
    learning_rate: float,
    data_dir: Path | None,
    console: Console,
) -> Setting:
    """Settle on a setting from what the command line says, with the data set's own defaults.

    Raises:
        UserError: if a name is unknown, the data cannot be used, or the network cannot take it.
    """
    row = datasets.info(dataset)
    if budget not in row.budgets:
        raise unknown_name("budget", budget, row.budgets)
    # Loads torch, which takes seconds; a mistyped data set or budget is told before that.
    from trainer.architectures import architecture as network
    from trainer.architectures import choose_layers
    from trainer.objectives import objective as known_objective

    chosen = network(architecture or row.architecture)
    widths = choose_layers(chosen, layers, row.image_shape)
    return Setting(
        dataset=load_or_fetch(dataset, data_dir, console),
        architecture=chosen.name,
        layers=widths,
        steps=row.budgets[budget] if steps is None else steps,
        objective=known_objective(objective).name,
        tolerance=tolerance,
        learning_rate=learning_rate,
    )


def load_or_fetch(name: str, data_dir: Path | None, console: Console) -> Dataset:
    """Open a data set, after downloading it if it is not on disk.

    Raises:
        UserError: if it is neither on disk nor to be had, or is not what it should be.
    """
    with _progress_bars(console) as show:
        try:
            return datasets.load(name, data_dir, show)
        except MissingDataError:
            datasets.fetch(name, data_dir, show)
            return datasets.load(name, data_dir, show)


def fetch(name: str, data_dir: Path | None, console: Console) -> tuple[Path, ...]:
    """Download a data set, with a progress bar a file.

    Raises:
        UserError: if a file cannot be downloaded, verified or written.
    """
    with _progress_bars(console) as show:
        return datasets.fetch(name, data_dir, show)


@contextmanager
def _progress_bars(console: Console) -> Iterator[datasets.Progress]:
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
