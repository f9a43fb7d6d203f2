"""The command-line options that several commands share, and how a study's command gets them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

TRAINING = "Training"
RUNNING = "Running"
"""The panels of the help text."""

DatasetOption: TypeAlias = Annotated[
    str, typer.Option("--dataset", help="See `sweeper data list`.")
]
SeedsOption: TypeAlias = Annotated[str, typer.Option(help="How many seeds, or which: 3 or 0,7,9.")]
WidthOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Initial latent dimensions. Default: the data set's.")
]
ObjectiveOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="What is optimised: geco-l0-arm, or geco for a fixed width.",
        rich_help_panel=TRAINING,
    ),
]
DataDirOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where the data sets' files are. Default: $SWEEPER_DATA.")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
StudyArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]",
        help="A study's folder, or its name under studies/. Default: the only one there.",
    ),
]


def _training(**arguments: Any) -> Any:
    return typer.Option(rich_help_panel=TRAINING, **arguments)


def _running(*names: str, **arguments: Any) -> Any:
    return typer.Option(*names, rich_help_panel=RUNNING, **arguments)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How trials are trained; part of a study's question."""

    budget: Annotated[
        str,
        _training(help="Steps by name: quick, standard, or paper (the paper's for this study)."),
    ] = "standard"
    steps: Annotated[int | None, _training(help="Steps a trial, instead of a budget.")] = None
    architecture: Annotated[
        str | None, _training(help="dense, conv28 or conv64. Default: the data set's.")
    ] = None
    layers: Annotated[
        str | None,
        _training(
            help="Units or channels of the encoder's stages, as 128,64. Default: the "
            "architecture's."
        ),
    ] = None
    tolerance: Annotated[
        float,
        _training(help="A trial is infeasible if its error ends above τ by this share of τ."),
    ] = 0.03
    learning_rate: Annotated[float, _training(help="Of Adam.")] = 1e-3


@dataclass(frozen=True, kw_only=True)
class RunningOptions:
    """Where and with what a study is run; its results depend on it in their rounding at most."""

    study: Annotated[
        str | None,
        _running(
            "--study",
            help="Its folder, or storage as s3://bucket/name. Default: studies/, and the study's "
            "name.",
        ),
    ] = None
    backend: Annotated[
        str, _running(help="ray, or local for one trial at a time in this process.")
    ] = "ray"
    address: Annotated[
        str | None, _running(help="Join the Ray cluster there, e.g. auto. Default: start Ray.")
    ] = None
    device: Annotated[str, _running(help="auto, cpu or cuda.")] = "auto"
    workers: Annotated[
        int | None,
        _running(min=1, help="Trials at a time. Default: one a core, or four a GPU."),
    ] = None
    pack: Annotated[
        str,
        _running(
            help="Trials that a worker trains together, as one program: a number, or auto, which "
            "is 1 on a CPU and on a GPU what its memory allows (16 on a cluster)."
        ),
    ] = "auto"
    data_dir: Annotated[
        Path | None,
        _running(help="Where the data sets' files are. Default: $SWEEPER_DATA."),
    ] = None
    checkpoint_seconds: Annotated[
        float, _running(min=0.0, help="Least seconds between two checkpoints of a trial.")
    ] = 20.0
    strict_float32: Annotated[
        bool, _running("--strict-float32", help="No TF32 on a GPU: slower, more exact.")
    ] = False
    compile: Annotated[
        str,
        _running(
            help="Compile the training step, on a CPU: on, off, or auto, for trials long enough "
            "to make up for it."
        ),
    ] = "auto"
    dry_run: Annotated[
        bool, _running("--dry-run", help="Measure and print the plan; train nothing.")
    ] = False
    json: Annotated[bool, _running("--json", help="Print one JSON object on standard output.")] = (
        False
    )


def spread_options(command: Callable[..., None]) -> Callable[..., None]:
    """Turn each parameter that is a dataclass of options into these options, for typer to read.

    The shared options so stand in one place, and a command names them in two parameters.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {
        name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)
    }
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in groups
    ]
    shared = [option for kind in groups.values() for option in _as_parameters(kind)]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, kind in groups.items():
            fields = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
            values[name] = kind(**fields)
        command(**values)

    parameters = [*own, *shared]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _as_parameters(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]
