"""Errors that a user can do something about."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


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


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Tell in one line of an error in code that a user plugged in, with the place in that code.

    Args:
        what: that it cannot be done, and of which row.

    Raises:
        UserError: for any exception of the body but UserErrors, which pass.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # without this function's
        own = [frame for frame in frames if "site-packages" not in frame.filename]
        where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{what}: {reason}{where}") from error


def shortened(text: str, most: int = 60) -> str:
    """Return what an error repeats of a text: all of it, or its beginning."""
    return text if len(text) <= most else text[:most] + "…"
