"""What a supervised process knows of its parent (`sweeper.run.supervisor`), and tells it.

A process without such a parent, as under the Python API, has nobody to tell.
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
    """Never written to: that it closes tells the child that the parent has died."""
    signals: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))
    """How many signals the parent has passed on; two that are pending would merge into one."""


_link: Link | None = None


def connect(link: Link) -> None:
    """Make a link the one of this process, which is the child."""
    global _link
    _link = link


def tell_parent(**facts: Any) -> None:
    """Tell the parent what it has to know should this process be lost, in less than 4 KB."""
    if _link is not None:
        os.write(_link.messages[1], json.dumps(facts).encode() + b"\n")


def signals_passed_on() -> int:
    """Count the signals that the parent has passed on to this process."""
    return 0 if _link is None else _link.signals[0]
