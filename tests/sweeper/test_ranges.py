from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.studies.ranges import MAX_VALUES, parse_floats, parse_ints, parse_seeds
from trainer.errors import UserError

MNIST_PAPER = (3, 4, 6, 8, 10, 14, 18, 22, 26, 30)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5", (5,)),
        ("3..6", (3, 4, 5, 6)),
        ("3..3", (3,)),
        ("2.5..2.5", (2.5,)),
        ("3..30..3", (3, 6, 9, 12, 15, 18, 21, 24, 27, 30)),
        ("3..10..3", (3, 6, 9)),  # the end is not exceeded
        ("3..5..10", (3,)),
        ("0.5..3.5..0.5", (0.5, 1, 1.5, 2, 2.5, 3, 3.5)),
        ("0.1..0.7..0.1", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ("3..30@2", (3, 30)),
        ("3..3@2", (3,)),
        ("1..1000@4", (1, 10, 100, 1000)),
        ("3,4,6.5", (3, 4, 6.5)),
        ("6.5, 3 ,4,3.0", (3, 4, 6.5)),
        ("1..3,2..5,10", (1, 2, 3, 4, 5, 10)),
        ("1e1..3e1..1E1", (10, 20, 30)),
        ("paper", MNIST_PAPER),
        ("5,paper", (3, 4, 5, 6, 8, 10, 14, 18, 22, 26, 30)),
    ],
)
def test_taus(text, values):
    assert parse_floats(text, paper=MNIST_PAPER) == values


def test_geometric_values_have_equal_ratios_exact_ends_and_six_digits():
    values = parse_floats("3..30@10")
    assert len(values) == 10
    assert (values[0], values[-1]) == (3, 30)
    assert values[1] == 3.87465
    ratios = [high / low for low, high in pairwise(values)]
    assert ratios == pytest.approx([10 ** (1 / 9)] * 9, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing"),
        (" ", "missing"),
        ("3,,4", "missing"),
        ("3,", "missing"),
        ("3..", "a number is missing"),
        ("..3", "a number is missing"),
        ("three", "'three' is not a number"),
        ("3...5", "'.5' is not a number"),
        ("3-30", "not a number"),
        ("3 4", "not a number"),
        ("٣", "not a number"),  # a digit to Python, but not one that people expect here
        ("nan", "not a number"),
        ("inf", "not a number"),
        ("1e999", "too large"),
        ("1" * 101, "not a number"),
        ("3..30..0", "a step of 0 never arrives"),
        ("3..30..-3", "a step of -3 never arrives"),
        ("30..3", "runs downwards"),
        ("30..3..-3", "runs downwards"),
        ("30..3@5", "runs downwards"),
        ("0", "0 is not above 0"),
        ("-1..3", "-1 is not above 0"),
        ("1e-999", "not above 0"),
        ("0.5..3.5", "needs a step"),
        ("3..30@1", "at least 2"),
        ("3..30@0", "at least 2"),
        ("3..30@", "at least 2"),
        ("3..30@2.5", "at least 2"),
        ("3@" + "x" * 10_000, "is not low..high"),
        ("3@5", "is not low..high"),
        ("3..30..3@5", "is not low..high"),
        ("1..2..3..4", "is not low..high"),
        ("1..100001", "more than 100000"),
        ("1..1e300", "more than 100000"),
        ("1..2..1e-300", "more than 100000"),
        ("1..2@999999999", "more than 100000"),
        ("1..60000,100001..160000", "more than 100000"),
        ("paper", "no paper"),
    ],
)
def test_refused_taus(text, reason):
    with pytest.raises(UserError) as refusal:
        parse_floats(text)
    message = str(refusal.value)
    assert message.startswith("--taus '")
    assert reason in message
    assert "3..30@10" in message  # an example
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("10..50..10", (10, 20, 30, 40, 50)),
        ("4..64@5", (4, 8, 16, 32, 64)),
        ("1..4@10", (1, 2, 3, 4)),  # rounded values coincide
        ("8,16.0", (8, 16)),
    ],
)
def test_widths(text, values):
    found = parse_ints(text)
    assert found == values
    assert all(type(value) is int for value in found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8.5", "8.5 is not a whole number"),
        ("8..16..2.5", "10.5 is not a whole number"),
        ("8..16.5..2", "16.5 is not a whole number"),
        ("0..4", "0 is not from 1"),
        ("-4", "-4 is not from 1"),
        ("1e30", "2^63"),
        ("1..2..1.7976931348623158e308", "2^63"),
    ],
)
def test_refused_widths(text, reason):
    with pytest.raises(UserError, match=r"--widths .*use for example") as refusal:
        parse_ints(text)
    assert reason in str(refusal.value)


def test_the_option_is_named():
    with pytest.raises(UserError, match=r"^--sizes 'x'"):
        parse_ints("x", option="--sizes")


def test_seeds():
    assert parse_seeds("1") == (0,)
    assert parse_seeds(" 3 ") == (0, 1, 2)
    assert parse_seeds("0,3,7") == (0, 3, 7)
    assert parse_seeds("5..9") == (5, 6, 7, 8, 9)
    assert parse_seeds("7..7") == (7,)


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "100001", "1e999", "x", "-3..2", "0..8@3", ""])
def test_refused_seeds(text):
    with pytest.raises(UserError, match=r"--seeds .*use for example"):
        parse_seeds(text)


def test_a_long_text_is_not_repeated_whole():
    with pytest.raises(UserError) as refusal:
        parse_floats("x" * 10_000)
    assert len(str(refusal.value)) < 300


positive = st.floats(min_value=1e-6, max_value=1e6)
whole = st.integers(1, 2000)


@given(st.lists(st.floats(min_value=5e-324, allow_infinity=False), min_size=1))
def test_a_list_of_values_parses_to_these_values(values):
    assert parse_floats(",".join(map(repr, values))) == tuple(sorted(set(values)))


@given(whole, whole, whole)
def test_a_stepped_range_is_that_of_python(low, extra, step):
    expected = tuple(range(low, low + extra + 1, step))
    assert parse_ints(f"{low}..{low + extra}..{step}") == expected
    assert parse_floats(f"{low}..{low + extra}..{step}") == expected


@given(st.integers(1, 500), st.integers(0, 300), st.integers(1, 50), st.integers(0, 4))
def test_a_decimal_range_has_clean_values(low, steps, step, decimals):
    def shown(number):
        return f"{number // 10**decimals}.{number % 10**decimals:0{decimals or 1}d}"

    high = low + steps * step
    found = parse_floats(f"{shown(low)}..{shown(high)}..{shown(step)}")
    assert found == tuple(float(shown(number)) for number in range(low, high + 1, step))


@given(positive, positive, st.integers(2, 50))
def test_a_geometric_range_has_its_ends_and_its_count(one, other, count):
    low, high = sorted((one, other))
    if high < 2 * low:
        high = 2 * low
    found = parse_floats(f"{low!r}..{high!r}@{count}")
    assert len(found) == count
    assert (found[0], found[-1]) == (low, high)
    assert list(found) == sorted(set(found))


@given(positive, st.integers(2, 50))
def test_a_geometric_range_does_not_leave_narrow_ends(low, count):
    high = low * (1 + 1e-9)
    found = parse_floats(f"{low!r}..{high!r}@{count}")
    assert (found[0], found[-1]) == (low, high)


@given(st.text() | st.text("0123456789.,@e-+ par", max_size=30))
def test_no_text_raises_anything_but_a_user_error(text):
    for parse in (parse_floats, parse_ints, parse_seeds):
        try:
            values = parse(text)
        except UserError:
            continue
        assert 1 <= len(values) <= MAX_VALUES
        assert list(values) == sorted(set(values))
