"""The paper's Figure 2: how many dimensions are left, over a range of τ (section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Annotated

import typer

from sweeper import options as opt
from sweeper.execute import default_folder, execute, guarded, progress_console, typed_command
from sweeper.ranges import parse_floats, parse_ints, parse_seeds
from sweeper.run_record import RunOptions
from sweeper.setting import Setting, prepare
from sweeper.study import Study, StudyPlan, longest_first
from trainer import datasets

NAME = "pareto"


def plan(
    setting: Setting, taus: Sequence[float], widths: Sequence[int], seeds: Sequence[int]
) -> StudyPlan:
    """Plan one trial for every combination of τ, initial width and seed."""
    specs = [
        setting.spec(tau=tau, width=width, seed=seed)
        for tau, width, seed in product(taus, widths, seeds)
    ]
    return StudyPlan(study=NAME, dataset=setting.dataset, specs=longest_first(specs))


@guarded
def command(
    dataset: opt.DatasetOption = "digits",
    taus: Annotated[
        str | None,
        typer.Option(
            help="Tolerated errors: 3..30, 0.5..3.5..0.5, 3..30@10, 3,4,6.5 or paper. "
            "Default: the data set's."
        ),
    ] = None,
    widths: opt.WidthsOption = None,
    seeds: opt.SeedsOption = "1",
    budget: opt.BudgetOption = "standard",
    steps: opt.StepsOption = None,
    architecture: opt.ArchitectureOption = None,
    layers: opt.LayersOption = None,
    objective: opt.ObjectiveOption = "geco-l0-arm",
    tolerance: opt.ToleranceOption = 0.03,
    learning_rate: opt.LearningRateOption = 1e-3,
    study: opt.StudyOption = None,
    backend: opt.BackendOption = "ray",
    address: opt.AddressOption = None,
    device: opt.DeviceOption = "auto",
    workers: opt.WorkersOption = None,
    data_dir: opt.DataDirOption = None,
    checkpoint_seconds: opt.CheckpointOption = 20.0,
    dry_run: opt.DryRunOption = False,
    json: opt.JsonOption = False,
) -> None:
    """Sweep the tolerance τ and find the front of error against open latent dimensions.

    Each trial holds its squared error (summed over an image's pixels in [0, 1]) at τ and closes
    latent dimensions as long as it can. Running the same command again trains nothing twice;
    more τ, widths or seeds add to what is there.
    """
    row = datasets.info(dataset)
    tau_values = parse_floats(row.default_taus if taus is None else taus, paper=row.paper_taus)
    width_values = (row.width,) if widths is None else parse_ints(widths)
    seed_values = parse_seeds(seeds)
    options = RunOptions(
        folder=study or default_folder(NAME, dataset),
        command=typed_command(),
        backend=backend,
        address=address,
        device=device,
        workers=workers,
        data_dir=data_dir,
        checkpoint_seconds=checkpoint_seconds,
    )
    console = progress_console()
    setting = prepare(
        dataset=dataset,
        architecture=architecture,
        layers=layers,
        budget=budget,
        steps=steps,
        objective=objective,
        tolerance=tolerance,
        learning_rate=learning_rate,
        data_dir=data_dir,
        console=console,
    )
    planned = plan(setting, tau_values, width_values, seed_values)
    execute(planned, options, console, dry_run=dry_run, json=json)


PARETO = Study(NAME, "sweep τ, find the front of error against dimensions (Figure 2)", command)
