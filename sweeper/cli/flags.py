"""Command-line flags, made from groups of options (`sweeper.options.option`)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, get_args, get_type_hints

import typer

from sweeper.options import Option
from trainer.errors import UserError, shortened


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
            hints = get_type_hints(kind)
            built[name] = kind(
                **{
                    field.name: _value(field, hints[field.name], values.pop(field.name))
                    for field in _fields(kind)
                }
            )
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


def _value(field: dataclasses.Field[Any], hint: Any, typed: Any) -> Any:
    parse = _parser(field, hint)
    return typed if parse is None or typed is None else parse(typed)


def _parser(field: dataclasses.Field[Any], hint: Any) -> Callable[[str], Any] | None:
    """Return what reads a field's value from text; None where that is typer's own business."""
    about: Option = field.metadata["option"]
    number = _number_type(field, hint)
    return about.parse or (number and partial(_read_number, number, _flag(field), about.minimum))


def _number_type(field: dataclasses.Field[Any], hint: Any) -> type[int] | type[float] | None:
    """Return the type of a number that is read here; a field that is one may also be None."""
    if field.metadata["option"].parse is not None:
        return None
    kinds = get_args(hint) or (hint,)
    return int if int in kinds else float if float in kinds else None


def _read_number(
    kind: type[int] | type[float], flag: str, minimum: float | None, text: str
) -> float:
    """Read a number; typer's own errors do not say what was found."""
    wanted = "a whole number" if kind is int else "a number"
    if minimum is not None:
        wanted += f" from {minimum:g} up"
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or (minimum is not None and not number >= minimum):
        raise UserError(f"{flag} must be {wanted}, found {shortened(text)!r}")
    return number


def _flag(field: dataclasses.Field[Any]) -> str:
    about: Option = field.metadata["option"]
    return about.flag or f"--{field.name.replace('_', '-')}"


def _parameters(kind: type[Any], panel: str | None) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind)
    for field in _fields(kind):
        about: Option = field.metadata["option"]
        hint, number = hints[field.name], _number_type(field, hints[field.name])
        typed = typer.Option(
            _flag(field),
            help=about.help,
            metavar=f"<{number.__name__}>" if number else None,
            rich_help_panel=about.panel or panel,
        )
        default = about.text if about.parse else field.default
        if default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        elif number and default is not None:
            default = str(default)
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[str if _parser(field, hint) else hint, typed],
        )
