"""Durations and sizes as people write them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Write how many there are of something: `1 trial`, `2,000 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time span as people say it: `48.0 s`, `1 min 20 s`, `3 h 20 min`, `2 d 04 h`."""
    if seconds < 59.95:  # what would be written as 60.0 s is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h"


def roughly(seconds: float) -> str:
    """Write a time span that is an estimate, or of which only the size matters: `48 s`."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


def size(count: int) -> str:
    """Write a number of bytes: `850 kB`, `1.2 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"
