"""JSON of other hands: within bounds it is what it says, beyond them it is refused."""

from __future__ import annotations

import json

import pytest

from trainer import bounded_json
from trainer.spec import MAX_JSON, TrialSpec

SPEC = TrialSpec(
    dataset="digits", dataset_sha256="ab" * 32, architecture="dense", layers=(8,),
    tau=2.0, width=4, seed=0, steps=10,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 200_000, "too deeply"),
        ('{"a":' * 100_000, "too deeply"),
        ("[" * 17 + "]" * 17, "too deeply"),
        ("[1e999]", "not finite"),
        ("[NaN]", "NaN"),
        ("[9223372036854775808]", "63 bits"),
        ("9" * 5000, "4300 digits"),
        ("[],", "Extra data"),
        ("", "Expecting value"),
        (b"\xff\xfe", "decode"),
        ("[" + "0," * 2**22 + "0]", "too many values"),
        ('"' + "x" * 2**21 + 'x"', "characters"),
    ],
)
def test_what_is_beyond_a_bound_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bounded_json.parse(text)


def test_what_is_within_the_bounds_is_what_it_says() -> None:
    value = {"a": [1, -2.5, None, True, "τ"], "b": {"c": []}, "big": 2**63 - 1}
    assert bounded_json.parse_object(json.dumps(value)) == value
    with pytest.raises(ValueError, match="list where a JSON object"):
        bounded_json.parse_object("[]")


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert bounded_json.parse('["\\ud800", "\\ud83d\\ude00"]') == ["?", "😀"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": [8.5]}, "whole numbers"),
        ({"layers": "8"}, "no layers that is str"),
        ({"tau": "2"}, "no tau that is str"),
        ({"seed": True}, "no seed that is bool"),
        ({"dataset": None}, "no dataset that is NoneType"),
        ({"color": "red"}, "no color"),
        ({"steps": 2**62}, "steps must be"),
        ({"dataset": "x" * MAX_JSON}, "too large"),
    ],
)
def test_a_spec_that_was_never_written_is_refused(changes: dict[str, object], words: str) -> None:
    fields = json.loads(SPEC.to_json()) | changes
    with pytest.raises(ValueError, match=words):
        TrialSpec.from_json(json.dumps(fields))


def test_a_spec_that_lacks_a_field_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks its architecture"):
        TrialSpec.from_json("{}")


def test_a_spec_that_was_written_is_read_with_its_id() -> None:
    assert TrialSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.trial_id == "9cc533b6199c0a3f"
