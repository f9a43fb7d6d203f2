import os
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.data import load
from trainer.data.drawn.rendered import Rendered
from trainer.data.sets.sprites import FACTORS, RECIPE, render

# Read before the fixture that hides it from the tests.
DATA_DIR = Path(os.environ.get("SWEEPER_DATA") or Path(__file__).parents[4] / "shared" / "data")
FRAMES = DATA_DIR / "dsprites" / "real_frames_160.npz"

REAL_TOTAL = 128_328_862
"""Lit pixels of the original's 737,280 images."""


def sprites(shape, scale=1.0, orientation=0.0, pos_x=0.0, pos_y=0.0):
    values = torch.broadcast_tensors(
        *(torch.as_tensor(x, dtype=torch.float64) for x in (shape, scale, orientation))
    )
    positions = (torch.full_like(values[0], position) for position in (pos_x, pos_y))
    return render(*(value.reshape(-1) for value in values), *(p.reshape(-1) for p in positions))


@pytest.mark.skipif(not FRAMES.is_file(), reason="the real frames are not on this machine")
def test_sprites_match_real_frames():
    with np.load(FRAMES) as real:
        names = ("shape", "scale", "orientation", "posX", "posY")
        drawn = render(*(torch.from_numpy(real[name]) for name in names)).numpy()[:, 0]
        off = (drawn != real["images"]).sum(axis=(1, 2))
    assert off.max() <= 2
    assert (off == 0).mean() >= 0.93


@pytest.mark.parametrize(("shape", "full", "half"), [(1, 400, 100), (2, 288, 76), (3, 222, 58)])
def test_lit_pixels_match_the_original(shape, full, half):
    lit = sprites(shape, [1.0, 0.5]).sum(dim=(1, 2, 3))
    assert lit.tolist() == [full, half]


def test_all_images_together_light_as_many_pixels_as_the_original():
    """Every 13th image stands for the 13; SWEEPER_SLOW draws them all (half a minute)."""
    step = 1 if os.environ.get("SWEEPER_SLOW") else 13
    numbers = torch.arange(0, RECIPE.count, step)
    lit = sum(int(RECIPE.images(block).sum()) for block in torch.split(numbers, 256))
    error = lit * RECIPE.count / len(numbers) / REAL_TOTAL - 1
    assert abs(error) < (1e-4 if step == 1 else 5e-4)


def test_positions_and_rotations_have_the_originals_directions():
    heart = sprites(3)[0, 0]
    assert heart.nonzero()[:, 0].float().mean() < 16  # more of it is above the centre: tip down
    assert torch.equal(heart, heart[:, list(range(31, -1, -1)) + list(range(32, 64))])
    turned = sprites(3, orientation=np.pi / 2)[0, 0]
    assert turned.nonzero()[:, 1].float().mean() < 15.5  # the lobes went left: counter-clockwise
    assert torch.equal(sprites(1, pos_x=1.0)[0, 0, :, 32:], sprites(1)[0, 0, :, :32])
    assert torch.equal(sprites(1, pos_y=1.0)[0, 0, 32:], sprites(1)[0, 0, :32])


def test_the_data_set_has_all_combinations():
    dataset = load("sprites")
    assert isinstance(dataset.train, Rendered)  # drawn when asked for, so loading is quick
    assert (len(dataset.train), len(dataset.test)) == (727_280, 10_000)
    numbers = np.concatenate([dataset.train.numbers, dataset.test.numbers])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(737_280))
    assert dataset.mean_image_sse == pytest.approx(154.1, abs=0.3)


def test_images_are_numbered_as_in_the_original():
    sizes = tuple(FACTORS.values())
    values = (2, 4, 39, 30, 1)
    number = int(np.ravel_multi_index(values, sizes))
    expected = sprites(3, 0.9, 2 * np.pi, 30 / 31, 1 / 31)
    assert torch.equal(RECIPE.images(torch.tensor([number])), expected)


def test_an_image_does_not_depend_on_its_batch():
    numbers = torch.tensor([5, 400_000, 737_279])
    alone = torch.cat([RECIPE.images(number[None]) for number in numbers])
    assert torch.equal(RECIPE.images(numbers), alone)
    assert set(alone.unique().tolist()) == {0, 1}
