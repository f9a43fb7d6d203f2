"""How large a pack may be: the arithmetic everywhere, the measurement on a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from members import others, trials_of

from trainer.data import Dataset
from trainer.step.memory import MARGIN, MAX_PACK, largest_pack, peak_bytes

GB = 10**9


@pytest.mark.parametrize(
    ("one", "two", "available", "size"),
    [
        (1 * GB, 2 * GB, 10 * GB, 8),  # 1 + 7 · 1 = 8 of 10
        (3 * GB, 4 * GB, 10 * GB, 6),  # the images are there once
        (1 * GB, 2 * GB, 9.9 * GB, 7),
        (1 * GB, 2 * GB, 1000 * GB, MAX_PACK),
        (9 * GB, 10 * GB, 10 * GB, 1),  # not even one; that one is to say so itself
        (1 * GB, 2 * GB, -1 * GB, 1),
        (1 * GB, 1 * GB, 10 * GB, MAX_PACK),  # less than the allocator counts
        (1 * GB, 1 * GB, 1 * GB, 1),
    ],
)
def test_the_largest_pack_is_the_last_that_fits(
    one: int, two: int, available: int, size: int
) -> None:
    assert largest_pack(one, two, available) == size


SIZES = st.integers(1, 10**12)


@given(SIZES, SIZES, SIZES)
def test_the_largest_pack_fits_and_one_trial_more_does_not(
    one: int, each: int, available: int
) -> None:
    size = largest_pack(one, one + each, available)

    def fits(count: int) -> bool:
        return one + (count - 1) * each <= MARGIN * available * (1 + 1e-9)

    assert 1 <= size <= MAX_PACK
    assert fits(size) or size == 1
    assert size == MAX_PACK or not one + size * each < MARGIN * available * (1 - 1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_more_trials_take_more_memory(digits: Dataset, make_spec: Any) -> None:
    specs = others(make_spec(layers=(512, 512)))
    trials = trials_of(specs, digits, torch.float32, torch.device("cuda"))
    one, two, three = (peak_bytes(trials[:count]) for count in (1, 2, 3))
    assert 0 < one < two < three
    assert three - two == pytest.approx(two - one, rel=0.5)
