"""The failures a user can do something about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message names the thing, says what was found and what to do, in one line; command lines
    print it without a traceback and exit with 2.
    """


class MissingDataError(UserError):
    """A data set is not on disk, and no file of it is wrong: it can be fetched."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that no registry row has, with the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})")
