"""Passwords in addresses: used, and neither shown nor recorded."""

from __future__ import annotations

import sys

import pytest

from sweeper.cli.main import typed_command
from sweeper.ledger.credentials import without_credentials
from sweeper.ledger.storage import open_folder
from trainer.errors import UserError

PLACE = "s3://KEY:SE%2FCRET@bucket/s?scheme=http&endpoint_override=127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://KEY:SE%2FCRET@bucket/s?region=eu", "s3://***@bucket/s?region=eu"),
        ("s3://KEY:SE/CR+ET==@bucket/s", "s3://***@bucket/s"),  # not spelled as it should be
        ("run '--s=s3://K:S@b/s?a=1' --taus 2", "run '--s=s3://***@b/s?a=1' --taus 2"),
        ("abfs://box@acc/s?client_secret=x&a=1", "abfs://box@acc/s?client_secret=***&a=1"),
        ("s3://bucket/s@home:1", "s3://bucket/s@home:1"),
        ("/home/me@here:1/s", "/home/me@here:1/s"),
    ],
)  # fmt: skip
def test_what_is_secret_in_an_address_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_a_folder_is_opened_with_its_password_and_shown_without() -> None:
    folder = open_folder(PLACE)
    inner = folder.folder("trials")
    for shown in (str(folder), folder.at("report"), str(inner), inner.at("row")):
        assert shown.startswith("s3://***@bucket/s")
    assert folder.address == PLACE
    assert inner.address.startswith("s3://KEY:SE%2FCRET@bucket/s/trials?scheme=http")


def test_an_address_that_cannot_be_opened_is_named_without_its_password() -> None:
    with pytest.raises(UserError, match="cannot open the storage") as caught:
        open_folder("nowhere://KEY:SECRET@bucket/s")
    assert "SECRET" not in str(caught.value)


def test_a_command_is_recorded_and_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweeper", "run", "pareto", "--study", PLACE])
    assert typed_command() == (
        "sweeper run pareto --study 's3://***@bucket/s?scheme=http&endpoint_override=127.0.0.1:1'"
        "  # fill in ***"
    )
