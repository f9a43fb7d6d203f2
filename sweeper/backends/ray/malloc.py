"""The memory of a process that lives for days."""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8
"""glibc's number for it, see `mallopt(3)`."""


def limit_arenas() -> bool:
    """Have all threads of this process take memory from one arena, where the C library can.

    By default glibc gives threads arenas of their own, and Ray starts dozens of threads: what
    one allocates and another frees stays in pieces, and an idle process grows by megabytes an
    hour. Threads that exist already keep theirs, so call this before they are started.

    Returns:
        Whether the C library could.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))
