"""The child's side of `sweeper.run.supervisor`: what it reports to its parent and asks of it.

A process without such a parent, as under the Python API, reports to nobody.
"""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Link:
    """What a parent and its child share; made before the fork."""

    messages: tuple[int, int] = field(default_factory=os.pipe)
    """JSON objects from the child, a line each, for the parent to read when it has ended."""
    lifeline: tuple[int, int] = field(default_factory=os.pipe)
    """Never written to: it closes when the parent dies."""
    signals: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))
    """How many signals the parent has passed on; two that are pending would merge into one."""


_link: Link | None = None


def connect(link: Link) -> None:
    """Use this link in this process, which is the child."""
    global _link
    _link = link


def report_to_parent(**facts: Any) -> None:
    """Report what the parent has to know if this process is lost, in less than 4 KB."""
    if _link is not None:
        os.write(_link.messages[1], json.dumps(facts).encode() + b"\n")


def signals_passed_on() -> int:
    """Return how many signals the parent has passed on to this process."""
    return 0 if _link is None else _link.signals[0]
