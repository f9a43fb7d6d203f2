import math

import pytest

from analysis import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5467, "1.55"),
        (0.00001, "1e-05"),
        (12345.6, "12346"),
        (5200, "5200"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (119.7, "2 min 00 s"),
        (3599.8, "1 h 00 min"),
        (7384, "2 h 03 min"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_duration(seconds, text):
    assert words.duration(seconds) == text


def test_moment_and_listing():
    assert words.moment("2026-11-20T10:00:00+00:00") == "2026-11-20 10:00"
    assert words.moment(None) == "–"
    assert words.listing([0.5, 1.0, 16]) == "0.5, 1, 16"
    assert words.listing([]) == "–"
    assert words.listing(None) == "–"
    assert words.listing("dense") == "dense"
