"""A rendered set is, to everyone who uses it, the array of its images."""

import numpy as np
import pytest
import torch

from trainer.data.base import Dataset, content_sha256
from trainer.data.drawn.rendered import Recipe, Rendered, hold_out, split, spread
from trainer.step.trial import Trial
from trainer.training.evaluation import evaluate, samples


def ramps(values):
    """8×8 images whose brightness says which they are."""
    row, column = torch.arange(8)[:, None], torch.arange(8)[None, :]
    a, b = (values[:, factor, None, None] for factor in (0, 1))
    return (5 * a * row + b * column).to(torch.uint8)[:, None]


RECIPE = Recipe("ramps 1", {"a": 7, "b": 30}, (1, 8, 8), ramps)
STORED = RECIPE.images(torch.arange(RECIPE.count)).numpy()


def test_the_last_factor_varies_fastest():
    assert STORED.shape == (210, 1, 8, 8)
    assert STORED[:, 0, 0, 1].tolist() == list(range(30)) * 7
    assert STORED[:, 0, 1, 0].tolist() == [5 * a for a in range(7) for _ in range(30)]


def test_a_rendered_set_is_indexed_like_an_array():
    images = Rendered(RECIPE, np.arange(RECIPE.count))
    assert len(images) == len(STORED)
    assert images.shape == STORED.shape
    for which in (slice(0, 5), slice(205, 999), np.array([3, 200, 3]), slice(None)):
        found = images[which]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, STORED[which])
    on_device = images.on(torch.device("cpu"))[torch.tensor([9, 1])]
    np.testing.assert_array_equal(on_device.numpy(), STORED[[9, 1]])


def test_a_trial_trains_and_is_judged_as_on_stored_images(make_spec):
    train, test = split(RECIPE, 40)
    answers = []
    for images, held_out in ((train, test), (train[:], test[:])):
        dataset = Dataset("ramps", images, held_out, 255, content_sha256(images, held_out, 255))
        spec = make_spec(dataset="ramps", dataset_sha256=dataset.sha256, steps=30)
        trial = Trial(spec, dataset, torch.device("cpu"))
        state = trial.initial_state()
        for step in range(30):
            state, _ = trial.advance(state, step)
        answers.append((state.parameters, evaluate(trial, state), samples(trial, state)["images"]))
    (rendered, judged, shown), (stored, expected, stored_shown) = answers
    assert torch.equal(rendered, stored)
    assert judged == expected
    np.testing.assert_array_equal(shown, stored_shown)


def test_the_mean_image_is_that_of_all_images_where_they_are_few():
    train, test = split(RECIPE, 40)
    rendered = Dataset("ramps", train, test, 255, "")
    stored = Dataset("ramps", train[:], test[:], 255, "")
    assert rendered.mean_image_sse == stored.mean_image_sse


def test_the_hash_sees_recipe_factors_split_and_images():
    def sha256(recipe=RECIPE, held_out=40, levels=255):
        return content_sha256(*split(recipe, held_out), levels)

    def brighter(values):
        return ramps(values) + 1

    assert sha256() == sha256()
    others = [
        sha256(Recipe("ramps 2", RECIPE.factors, (1, 8, 8), ramps)),
        sha256(Recipe("ramps 1", {"b": 7, "a": 30}, (1, 8, 8), ramps)),
        sha256(Recipe("ramps 1", RECIPE.factors, (1, 8, 8), brighter)),
        sha256(held_out=41),
        sha256(levels=254),
    ]
    assert len({sha256(), *others}) == 6


def test_the_split_is_whole_and_the_same_everywhere():
    rest, held_out = hold_out(1000, 100)
    assert len(rest) == 900
    assert sorted([*rest, *held_out]) == list(range(1000))
    assert held_out[:5].tolist() == [1, 14, 27, 31, 45]
    assert held_out.mean() == pytest.approx(500, abs=60)


def test_spread_returns_evenly_spaced_indices():
    assert spread(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert spread(3, 5).tolist() == [0, 1, 2]
