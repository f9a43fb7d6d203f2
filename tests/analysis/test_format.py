import math

import pytest

from analysis import format as text_format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5467, "1.55"),
        (0.00001, "1e-05"),
        (12345.6, "12346"),
        (5200, "5200"),
        (2_000_000, "2000000"),
        (5.0, "5"),
        (100000.0, "100000"),
        (1e30, "1e+30"),  # an error on its way to infinity
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number(value, text):
    assert text_format.number(value) == text


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
    assert text_format.duration(seconds) == text


def test_moment_and_listing():
    assert text_format.moment("2026-11-20T10:00:00+00:00") == "2026-11-20 10:00"
    assert text_format.moment(None) == "–"
    assert text_format.listing([0.5, 1.0, 16]) == "0.5, 1, 16"
    assert text_format.listing([]) == "–"
    assert text_format.listing(None) == "–"
    assert text_format.listing("dense") == "dense"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.765, 1.28, math.nan], ["0.77", "1.28", "–"]),
        ([325.87, 6.14, 18.7], ["325.87", "6.14", "18.70"]),
        ([25.28, 31.06], ["25.3", "31.1"]),
        ([1234.5, 20000.25], ["1234", "20000"]),
        ([5.0, 16, None], ["5", "16", "–"]),
        ([0.0, 0.25], ["0.000", "0.250"]),
        ([1e-5, 0.2, 5.0], ["1e-05", "0.2", "5"]),  # orders of magnitude: each by itself
        ([0.0012, 0.00456], ["0.0012", "0.00456"]),
        ([-0.5, 12.25], ["-0.50", "12.25"]),
        ([math.inf, 1.5], ["inf", "1.50"]),
        ([3.4e30, 1.5], ["3.4e+30", "1.5"]),
        ([], []),
    ],
)
def test_decimal_points_of_a_column_are_in_line(values, texts):
    write = text_format.aligned(values)
    assert [write(value) for value in values] == texts


def test_lists_in_a_sentence():
    assert text_format.listed(["a"]) == "a"
    assert text_format.listed(["a", "b", "c"]) == "a, b and c"
    assert (
        text_format.listed(["1 gate here", "2 gate there"], once=" gate")
        == "1 gate here and 2 there"
    )


def test_statuses():
    assert text_format.statuses(["feasible", "feasible"]) == "feasible"
    assert text_format.statuses(["unsettled", "feasible", "feasible"]) == "2 feasible, 1 unsettled"
    assert text_format.statuses([]) == "–"


def test_counts_are_written_whole():
    assert text_format.count(5.0) == text_format.count(5) == "5"
    assert text_format.count(1_234_567.0) == "1234567"
    assert text_format.count(math.nan) == text_format.count(None) == "–"
