"""Command-line flags, made from groups of options (`sweeper.options.option`)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from sweeper.options import Option


def with_flags(
    command: Callable[..., None], groups: Mapping[str, type[Any]], panels: Mapping[str, str]
) -> Callable[..., None]:
    """Turn a command that takes groups of options into one that takes their flags.

    Args:
        command: called with each group by its name.
        groups: the dataclass of each.
        panels: under which heading the help shows a group; those without one stand first.
    """

    def run(**values: Any) -> None:
        built = {}
        for name, kind in groups.items():
            own = {field.name: values.pop(field.name) for field in _fields(kind)}
            built[name] = kind(**{key: _value(kind, key, text) for key, text in own.items()})
        command(**built)

    parameters = [
        parameter
        for name, kind in groups.items()
        for parameter in _parameters(kind, panels.get(name))
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields(kind: type[Any]) -> Iterator[dataclasses.Field[Any]]:
    """Yield the fields that have a flag."""
    for field in dataclasses.fields(kind):
        if "option" in field.metadata:
            yield field


def _value(kind: type[Any], name: str, value: Any) -> Any:
    (field,) = (field for field in _fields(kind) if field.name == name)
    about: Option = field.metadata["option"]
    return value if about.parse is None else about.parse(value)


def _parameters(kind: type[Any], panel: str | None) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind)
    for field in _fields(kind):
        about: Option = field.metadata["option"]
        flag = about.flag or f"--{field.name.replace('_', '-')}"
        typed = typer.Option(
            flag, help=about.help, min=about.minimum, rich_help_panel=about.panel or panel
        )
        required = field.default is dataclasses.MISSING
        default = about.text if about.parse else field.default
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if required else default,
            annotation=Annotated[str if about.parse else hints[field.name], typed],
        )
