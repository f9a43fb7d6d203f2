"""The fields of a JSON object that somebody else may have written, each checked when it is read."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

Value = TypeVar("Value")

LARGEST = 1e12
"""Of durations in seconds, and of ratios."""
FIRST_YEAR, LAST_YEAR = 1970, 9998  # a time zone's offset leads to no year that there is not


class FieldError(ValueError):
    """A field is missing, or not what it should be; the message names it and what was found."""


@dataclass
class Fields:
    """A JSON object whose fields are taken one by one; `rest` are those that nobody asked for.

    All methods raise FieldError.

    Args:
        values: the object.
        where: what leads to it, for messages: `runs[0].`.
    """

    values: Mapping[str, Any]
    where: str = ""
    _taken: set[str] = field(default_factory=set)

    def text(self, name: str) -> str:
        """Take a string."""
        return str(self._take(name, lambda value: isinstance(value, str), "a string"))

    def moment(self, name: str) -> datetime:
        """Take a date with time and zone, in UTC."""
        text = self._take(name, lambda value: isinstance(value, str), "a date with time and zone")
        try:
            return read_moment(text)
        except ValueError:
            raise self.error(name, text, "a date with time and zone") from None

    def whole(self, name: str, least: int = 0, most: int = 2**53) -> int:
        """Take a whole number within bounds."""
        value = self._take(name, lambda value: type(value) is int, "a whole number")
        if not least <= value <= most:
            raise self.error(name, value, f"a whole number from {least} to {most}")
        return int(value)

    def number(self, name: str) -> float:
        """Take a number."""
        return float(self._take(name, _is_number, "a number"))

    def size(self, name: str) -> float:
        """Take a number from 0 to `LARGEST`."""
        value = self.number(name)
        if not 0 <= value <= LARGEST:
            raise self.error(name, value, f"a number from 0 to {LARGEST:g}")
        return value

    def items(self, name: str) -> list[Any]:
        """Take a list."""
        return list(self._take(name, lambda value: isinstance(value, list), "a list"))

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of strings."""
        values = self.items(name)
        for place, value in enumerate(values):
            if not isinstance(value, str):
                raise self.error(f"{name}[{place}]", value, "a string")
        return tuple(values)

    def wholes(self, name: str) -> tuple[int, ...]:
        """Take a list of whole numbers."""
        values = self.items(name)
        for place, value in enumerate(values):
            if type(value) is not int:
                raise self.error(f"{name}[{place}]", value, "a whole number")
        return tuple(values)

    def group(self, name: str) -> Fields:
        """Take an object."""
        value = self._take(name, lambda value: isinstance(value, dict), "an object")
        return Fields(value, f"{self.where}{name}.")

    def groups(self, name: str) -> list[Fields]:
        """Take a list of objects."""
        values = self.items(name)
        for place, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.error(f"{name}[{place}]", value, "an object")
        return [
            Fields(value, f"{self.where}{name}[{place}].") for place, value in enumerate(values)
        ]

    def optional(self, name: str, take: Callable[[str], Value]) -> Value | None:
        """Take a field by another of these methods, or None if it is missing or null."""
        if self.values.get(name) is None:
            self._taken.add(name)
            return None
        return take(name)

    def rest(self) -> dict[str, Any]:
        """Return the fields that were not taken: those of a version that knows more."""
        return {name: value for name, value in self.values.items() if name not in self._taken}

    def error(self, name: str, found: object, wanted: str) -> FieldError:
        """Return the error of a field that is not what it should be."""
        return FieldError(f"{self.where}{name} should be {wanted}, found {reprlib.repr(found)}")

    def _take(self, name: str, good: Callable[[Any], bool], wanted: str) -> Any:
        if name not in self.values:
            raise FieldError(f"{self.where}{name} is missing")
        self._taken.add(name)
        value = self.values[name]
        if not good(value):
            raise self.error(name, value, wanted)
        return value


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def read_moment(text: str) -> datetime:
    """Read a date with time and zone, as `datetime.isoformat` writes it, in UTC.

    Raises:
        ValueError: if it is none, or of a year that computing with it could leave.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{text[:40]!r} has no time zone, or no year of this time")
    return moment.astimezone(UTC)
