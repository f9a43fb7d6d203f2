"""Which trials are trained together, as one program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from trainer.spec import PACK_KEY, TrialSpec

PACK_FIELDS = (*PACK_KEY, "steps")
"""What the trials of a pack have in common here: they also end together."""


def form_packs(
    specs: Sequence[TrialSpec], most: int, workers: int
) -> tuple[tuple[TrialSpec, ...], ...]:
    """Group trials into packs of at most `most`, in the order of their first trials.

    The trials of a kind are spread evenly, over at least as many packs as there are workers.
    Trials of similar width are packed together, since narrower ones are padded to the widest.
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
    return tuple(getattr(spec, name) for name in PACK_FIELDS)


def _even(specs: Sequence[TrialSpec], count: int) -> Iterable[tuple[TrialSpec, ...]]:
    """Cut a sequence into `count` parts whose lengths differ by one at most."""
    cuts = [len(specs) * number // count for number in range(count + 1)]
    return [tuple(specs[start:end]) for start, end in pairwise(cuts)]
