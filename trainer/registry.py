"""Rows by name: the data sets, networks, objectives and so on that there are to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from trainer.errors import UserError, unknown_name

Row = TypeVar("Row")


class Registry(dict[str, Row]):
    """A dictionary of rows by name. A user's script adds its own by assignment.

    Args:
        kind: what a row is, in words: `data set`.
        rows: the rows by name.
    """

    def __init__(self, kind: str, rows: Mapping[str, Row]) -> None:
        super().__init__(rows)
        self.kind = kind

    def __setitem__(self, name: str, row: Row) -> None:
        """Add a row.

        Raises:
            UserError: if it has another name: what a trial records would then not be found.
        """
        own = getattr(row, "name", name)
        if own != name:
            raise UserError(
                f"{self.kind} {name!r}: the row's own name is {own!r}; give it the same name"
            )
        super().__setitem__(name, row)

    def find(self, name: str) -> Row:
        """Return the row of this name.

        Raises:
            UserError: if there is none; the message has the nearest known name.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]
