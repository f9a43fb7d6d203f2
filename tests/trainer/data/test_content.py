"""Workers open exactly the content that a trial asks for, whatever their own registry says."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import data
from trainer.data import DATASETS, load, open_content
from trainer.data.base import content_sha256
from trainer.data.cache.by_content import is_stored
from trainer.data.drawn.rendered import Recipe, split
from trainer.data.labels import Labels
from trainer.errors import MissingDataError, UserError

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.integers(0, 17, (20, 1, 8, 8), np.uint8)
TEST = RANDOM.integers(0, 17, (6, 1, 8, 8), np.uint8)
LABELS = Labels(np.arange(40).reshape(20, 2), np.arange(12).reshape(6, 2), ("x", "y"))


@pytest.fixture(autouse=True)
def afresh():
    """Forget what was opened before, so that no test finds what another opened."""
    data._open_once.cache_clear()


@pytest.fixture
def add(monkeypatch):
    """Add a row of some images to the registry, as a user's script does."""

    def add_row(name="mine", train=TRAIN, test=TEST, **changes):
        row = replace(
            DATASETS["digits"],
            name=name,
            read=lambda _: (train, test),
            read_labels=lambda _: LABELS,
        )
        monkeypatch.setitem(DATASETS, name, replace(row, **changes))

    return add_row


IN_A_WORKER = """
import json, sys
from trainer.data import open_content
dataset = open_content(*sys.argv[1:])
names = dataset.labels and list(dataset.labels.names)
print(json.dumps([dataset.name, dataset.sha256, int(dataset.train[:].sum()), names]))
"""


def in_a_worker(*arguments):
    """Open content in a process that has the package's rows only."""
    command = [sys.executable, "-c", IN_A_WORKER, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(ran.stdout)


def test_a_row_of_the_users_own_opens_in_a_process_without_it(add):
    add()
    dataset = load("mine")
    assert dataset.sha256 == content_sha256(TRAIN, TEST, 16)
    assert in_a_worker(dataset.sha256, "mine") == ["mine", dataset.sha256, TRAIN.sum(), ["x", "y"]]
    np.testing.assert_array_equal(load("mine").labels.test, LABELS.test)


def test_the_content_counts_not_the_name(add):
    """A user's row may have the name of one that workers know."""
    own = load("digits")
    add("digits")
    dataset = load("digits")
    assert dataset.sha256 != own.sha256
    assert open_content(dataset.sha256, "digits").sha256 == dataset.sha256
    name, sha256, *_ = in_a_worker(dataset.sha256, "digits")
    assert (name, sha256) == ("digits", dataset.sha256)


def test_drawn_images_of_the_users_own_are_stored_under_their_fingerprint(add):
    def draw(values):
        return values[:, :1, None, None].expand(-1, 1, 8, 8).to(torch.uint8)

    train, test = split(Recipe("shades 1", {"shade": 16, "twin": 80}, (1, 8, 8), draw), 100)
    add("shades", train, test, read_labels=None)
    dataset = load("shades")
    assert dataset.sha256 == content_sha256(train, test, 16)
    np.testing.assert_array_equal(dataset.train, train[:])
    assert in_a_worker(dataset.sha256, "shades")[2] == train[:].sum()


def test_labels_that_a_row_corrects_replace_those_before(add):
    add()
    load("mine")
    corrected = replace(LABELS, test=LABELS.test + 1)
    add(read_labels=lambda _: corrected)
    np.testing.assert_array_equal(load("mine").labels.test, corrected.test)


def raising(_):
    raise KeyError("no such\nmember")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"read": raising}, r"'mine' cannot be read: KeyError: .*test_content.py, line \d+\)"),
        ({"read_labels": raising}, r"the labels of data set 'mine' cannot be read: KeyError"),
        ({"read": lambda _: 3}, "'mine' cannot be read: TypeError: cannot unpack"),
        ({"read": lambda _: ([1], [2])}, "expected arrays of images, found list"),
        (
            {"read": lambda _: Path("nowhere").read_bytes()},
            "'mine' cannot be read: FileNotFoundError",
        ),
    ],
)
def test_an_error_in_a_user_s_own_code_is_one_line_that_names_the_place(add, changes, words):
    add(**changes)
    with pytest.raises(UserError, match=words) as refusal:
        load("mine")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["digits", "tiles"])
def test_the_packages_own_small_sets_are_not_copied(name, cache):
    dataset = load(name)
    assert open_content(dataset.sha256, name).sha256 == dataset.sha256
    assert not cache.exists()


def test_content_is_opened_once_per_process():
    sha256 = load("tiles").sha256
    first = open_content(sha256, "tiles")
    assert open_content(sha256, "tiles") is first


def test_official_files_are_opened_by_their_row_where_nothing_is_stored(
    tmp_path, tiny, monkeypatch
):
    monkeypatch.setitem(DATASETS, "tiny", tiny.info)
    folder = tiny.write(tmp_path / "data")
    sha256 = load("tiny", folder).sha256
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(MissingDataError, match="'tiny' is not on disk"):
        open_content(sha256, "tiny")
    np.testing.assert_array_equal(open_content(sha256, "tiny", folder).train[:, 0], tiny.train)
    assert is_stored(sha256)


def test_unknown_content_of_an_unknown_name_is_missing():
    with pytest.raises(
        MissingDataError, match=r"unknown data set 'mine' .* no data with content abababababab"
    ):
        open_content("ab" * 32, "mine")


def test_other_content_under_the_name_is_refused():
    found = load("digits").sha256[:12]
    with pytest.raises(UserError, match=f"'digits' changed: .* abababababab, found {found}"):
        open_content("ab" * 32, "digits")


@pytest.mark.parametrize("sha256", ["", "../../etc", "AB" * 32, "ab" * 33, "ab" * 32 + "\n"])
def test_a_hash_that_is_none_is_refused_before_it_becomes_a_path(sha256):
    """A spec may come from a study's folder that somebody sent."""
    with pytest.raises(UserError, match="dataset_sha256 must be 64 hexadecimal digits"):
        open_content(sha256, "digits")


WRONG = {
    "floats": ({"train": TRAIN / 16}, "expected uint8, found float64"),
    "no channel": (
        {"test": TEST[:, 0]},
        r"expected images \('count', 1, 8, 8\), found \(6, 8, 8\)",
    ),
    "another size": ({"test": TEST[:, :, 1:]}, r"found \(6, 1, 7, 8\)"),
    "none": ({"test": TEST[:0]}, r"found \(0, 1, 8, 8\)"),
    "above levels": ({"train": TRAIN + 1}, "values up to levels = 16, found 17"),
    "a label too few": (
        {"read_labels": lambda _: replace(LABELS, test=LABELS.test[1:])},
        r"must be int64 of shape \(6, 2\), found int64 of shape \(5, 2\)",
    ),
    "labels without names": (
        {"read_labels": lambda _: replace(LABELS, names=())},
        r"\(20,\), found",
    ),
    "a name twice": ({"read_labels": lambda _: replace(LABELS, names=("x", "x"))}, "a name twice"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_images_and_labels_that_are_not_what_the_row_says_are_refused(add, changes, words):
    add(**changes)
    with pytest.raises(UserError, match=words) as refusal:
        load("mine")
    assert "data set 'mine'" in str(refusal.value)
    assert "\n" not in str(refusal.value)
