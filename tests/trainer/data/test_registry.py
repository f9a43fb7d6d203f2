"""Contracts of every row of `DATASETS`; a new data set is tested by being registered."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sweeper.studies.ranges import parse_floats
from trainer.data import DATASETS, fetch, load
from trainer.data.base import Dataset, content_sha256
from trainer.data.drawn.rendered import spread
from trainer.data.official.sources import locate, search_folders
from trainer.errors import UserError
from trainer.networks import NETWORKS
from trainer.spec import TrialSpec
from trainer.step.trial import Trial

# Read before the fixture that hides it from the tests.
DATA_DIR = Path(os.environ.get("SWEEPER_DATA") or Path(__file__).parents[4] / "shared" / "data")


@pytest.fixture(scope="module")
def load_real(tmp_path_factory):
    """Load a data set if its files are on this machine; one conversion for all tests here."""
    cache = tmp_path_factory.mktemp("cache")

    def load_or_skip(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(cache))
            patch.delenv("SWEEPER_DATA", raising=False)
            data_dir = DATA_DIR if DATA_DIR.is_dir() else None
            folders = search_folders(name, data_dir)
            if not all(locate(file, folders) for file in DATASETS.find(name).files):
                pytest.skip(f"the files of {name} are not on this machine")
            return load(name, data_dir)

    return load_or_skip


@pytest.mark.parametrize("name", DATASETS)
def test_a_row_is_complete_and_its_values_fit_together(name):
    row = DATASETS.find(name)
    assert row.name == name
    assert "\n" not in row.summary
    assert list(row.budgets) == ["quick", "standard", "paper"]
    assert list(row.budgets.values()) == sorted(row.budgets.values())
    assert row.width >= 1
    assert len(row.image_shape) == 3
    assert len(parse_floats(row.default_taus)) >= 5
    assert list(row.paper_taus) == sorted(set(row.paper_taus))
    for file in (*row.files, *row.label_files):
        assert file.urls
        assert all(url.endswith(f"/{file.name}") for url in file.urls)
        assert all(url.startswith(("https://", "http://")) for url in file.urls)
        assert len(file.digest) == {"sha256": 64, "md5": 32, "git-blob": 40}[file.algorithm]


@pytest.mark.parametrize("name", DATASETS)
def test_the_images_are_what_the_row_says(name, load_real):
    row, dataset = DATASETS.find(name), load_real(name)
    assert dataset.name == name
    assert dataset.levels == row.levels
    assert dataset.image_shape == row.image_shape
    for images in (dataset.train, dataset.test):
        assert images.shape[1:] == row.image_shape
        assert len(images) > 0
        seen = images[spread(len(images), 2000)]
        assert seen.dtype == np.uint8
        assert seen.shape[1:] == row.image_shape
        assert 0.95 * dataset.levels < seen.max() <= dataset.levels
    assert dataset.sha256 == content_sha256(dataset.train, dataset.test, dataset.levels)
    assert load_real(name).sha256 == dataset.sha256


@pytest.mark.parametrize("name", DATASETS)
def test_labels_are_one_row_an_image(name, load_real):
    dataset = load_real(name)
    if dataset.labels is None:
        pytest.skip(f"{name} has no labels here")
    for labels, images in zip(
        (dataset.labels.train, dataset.labels.test), (dataset.train, dataset.test), strict=True
    ):
        assert labels.shape[:1] == images.shape[:1]
        assert labels.min() >= 0
    assert dataset.sha256 == content_sha256(dataset.train, dataset.test, dataset.levels)


@pytest.mark.parametrize("name", DATASETS)
def test_mean_image_sse_equals_its_definition(name, load_real):
    dataset = load_real(name)
    sample = Dataset(name, dataset.train[:5000], dataset.test, dataset.levels, "")
    pixels = sample.train / sample.levels
    expected = ((pixels - pixels.mean(axis=0)) ** 2).sum(axis=(1, 2, 3)).mean()
    assert sample.mean_image_sse == pytest.approx(expected, rel=1e-12)
    assert dataset.mean_image_sse > max(parse_floats(DATASETS.find(name).default_taus)) * 0.9


@pytest.mark.parametrize("name", DATASETS)
def test_a_trial_can_ask_for_it(name, load_real):
    row, dataset = DATASETS.find(name), load_real(name)
    spec = TrialSpec(
        dataset=name,
        dataset_sha256=dataset.sha256,
        architecture=row.architecture,
        layers=NETWORKS.find(row.architecture).default_layers(row.image_shape),
        tau=parse_floats(row.default_taus)[0],
        width=row.width,
        seed=0,
        steps=row.budgets["quick"],
    )
    trial = Trial(spec, dataset, torch.device("cpu"))
    assert trial.images(torch.arange(2)).shape == (2, *row.image_shape)
    assert trial.initial_state().gate_logits.shape == (row.width,)


def test_digits_are_those_of_scikit_learn():
    dataset = load("digits")
    original = load_digits().images
    held_out = np.arange(len(original)) % 5 == 4
    np.testing.assert_array_equal(dataset.train[:, 0], original[~held_out])
    np.testing.assert_array_equal(dataset.test[:, 0], original[held_out])
    everything = np.concatenate([dataset.train, dataset.test])
    whole = Dataset("digits", everything, dataset.test, dataset.levels, "")
    assert whole.mean_image_sse == pytest.approx(4.69, abs=0.005)


def test_digits_need_no_files(tmp_path):
    assert fetch("digits", tmp_path / "not made") == ()
    assert not (tmp_path / "not made").exists()


def test_mnist_has_its_known_statistics(load_real):
    dataset = load_real("mnist")
    assert dataset.train.shape == (60_000, 1, 28, 28)
    assert dataset.test.shape == (10_000, 1, 28, 28)
    assert dataset.train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert dataset.mean_image_sse == pytest.approx(52.7, abs=0.1)
    assert isinstance(dataset.train, np.memmap)  # mapped, not read: a second load costs nothing
    if dataset.labels is not None:
        assert dataset.labels.train[:5].tolist() == [5, 0, 4, 1, 9]
        assert dataset.labels.test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_an_unknown_name_gets_a_suggestion():
    for use in (DATASETS.find, load, fetch):
        with pytest.raises(UserError, match="unknown data set 'minst'; did you mean 'mnist'"):
            use("minst")


def test_a_missing_set_says_how_to_fetch_it():
    with pytest.raises(UserError, match="sweeper data fetch fashion-mnist"):
        load("fashion-mnist")


def test_importing_the_data_sets_needs_only_numpy():
    heavy = "{'torch', 'ray', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'h5py'}"
    code = f"import sys, trainer.data; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
