"""The study's answer in one sentence, and why it is that."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.computed.front import FrontPoint


@dataclass(frozen=True)
class Answer:
    """What a report and a terminal say first."""

    headline: str
    """One sentence."""
    reason: str
    """How it was found, or what to try."""
    point: FrontPoint | None = None
    """The one point to start from; None where the reader must choose, or there is none."""
