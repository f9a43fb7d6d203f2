"""Rows by name: the data sets, networks, objectives and so on that there are to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from trainer.errors import unknown_name

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

    def find(self, name: str) -> Row:
        """Return the row of this name.

        Raises:
            UserError: if there is none; the message has the nearest known name.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]
