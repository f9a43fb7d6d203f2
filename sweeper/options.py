"""The command-line options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DatasetOption: TypeAlias = Annotated[
    str, typer.Option("--dataset", help="See `sweeper data list`.")
]
SeedsOption: TypeAlias = Annotated[str, typer.Option(help="How many seeds, or which: 3 or 0,7,9.")]
WidthsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Initial latent dimensions. Default: the data set's."),
]
BudgetOption: TypeAlias = Annotated[
    str, typer.Option(help="Steps by name: quick, standard or paper.")
]
StepsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Steps a trial, instead of a budget.")
]
ArchitectureOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="dense, conv28 or conv64. Default: the data set's."),
]
LayersOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Units or channels of the encoder's stages, as 128,64. Default: the architecture's.",
    ),
]
StudyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--study", help="Its folder. Default: studies/STUDY-DATASET."),
]
BackendOption: TypeAlias = Annotated[
    str, typer.Option(help="ray, or local for one trial at a time in this process.")
]
AddressOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Join the Ray cluster there, e.g. auto. Default: start Ray.")
]
DeviceOption: TypeAlias = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
WorkersOption: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Trials at a time. Default: one a core, or four a GPU."),
]
DataDirOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where the data sets' files are. Default: $SWEEPER_DATA.")
]
DryRunOption: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Measure and print the plan; train nothing.")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
CheckpointOption: TypeAlias = Annotated[
    float,
    typer.Option(min=0.0, help="Least seconds between two checkpoints of a trial."),
]
ObjectiveOption: TypeAlias = Annotated[
    str, typer.Option(help="What is optimised; see trainer/objectives.")
]
ToleranceOption: TypeAlias = Annotated[
    float, typer.Option(help="A trial is infeasible if its error ends above τ by this share of τ.")
]
LearningRateOption: TypeAlias = Annotated[float, typer.Option(help="Of Adam.")]
StudyArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]",
        help="A study's folder, or its name under studies/. Default: the only one there.",
    ),
]
