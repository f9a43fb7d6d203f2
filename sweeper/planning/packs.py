"""Which trials are trained together, as one program."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from trainer.errors import UserError
from trainer.spec import PACK_KEY, TrialSpec

AUTO = "auto"

ALIKE = (*PACK_KEY, "steps")
"""What the trials of a pack have in common here: they also end together."""

Packs = tuple[tuple[TrialSpec, ...], ...]


def parse_pack(text: str) -> int | None:
    """Read `--pack`: the most trials that are trained together, or None for `auto`.

    Raises:
        UserError: if it is neither.
    """
    if text == AUTO:
        return None
    if re.fullmatch("0*[1-9][0-9]{0,4}", text):
        return int(text)
    raise UserError(f"--pack must be auto or a whole number from 1 to 99999, found {text!r}")


def form_packs(specs: Sequence[TrialSpec], most: int, workers: int) -> Packs:
    """Group trials into packs of at most `most`, in the order of their first trials.

    The trials of a kind are spread evenly, over at least as many packs as there are workers, and
    those of like width lie together, since the narrower ones of a pack are padded.
    """
    if most == 1:
        return tuple((spec,) for spec in specs)
    place = {spec.trial_id: number for number, spec in enumerate(specs)}
    packs: list[tuple[TrialSpec, ...]] = []
    for _, group in groupby(sorted(specs, key=_kind), key=_kind):
        alike = sorted(group, key=lambda spec: (-spec.width, place[spec.trial_id]))
        count = min(len(alike), max(workers, math.ceil(len(alike) / most)))
        packs += _even(alike, count)
    return tuple(sorted(packs, key=lambda pack: min(place[spec.trial_id] for spec in pack)))


def _kind(spec: TrialSpec) -> tuple[object, ...]:
    return tuple(getattr(spec, name) for name in ALIKE)


def _even(specs: Sequence[TrialSpec], count: int) -> Iterable[tuple[TrialSpec, ...]]:
    """Cut a sequence into `count` parts whose lengths differ by one at most."""
    cuts = [len(specs) * number // count for number in range(count + 1)]
    return [tuple(specs[start:end]) for start, end in pairwise(cuts)]
