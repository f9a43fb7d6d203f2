"""Errors that a user can do something about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Some input of the user cannot be used.

    The message names the input, says what was found and what to do, in one line; command lines
    print it without a traceback and exit with 2.
    """


class MissingDataError(UserError):
    """A data set is not on this machine, but none of its files is wrong: it can be fetched."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not known, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})")


def shortened(text: str, most: int = 60) -> str:
    """Return what an error repeats of a text: all of it, or its beginning."""
    return text if len(text) <= most else text[:most] + "…"
