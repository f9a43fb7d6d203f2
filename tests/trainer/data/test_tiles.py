import numpy as np
from scipy import ndimage

from trainer.data import load
from trainer.data.sets.tiles import draw_tiles, place_tiles


def test_every_image_has_one_to_three_whole_tiles_equally_often():
    tiles, corners = place_tiles(3000, seed=1)
    images = draw_tiles(tiles, corners)
    np.testing.assert_array_equal(images.sum(axis=(1, 2, 3)), 16 * tiles)  # none overlap
    assert set(np.unique(images)) == {0, 1}
    np.testing.assert_allclose(np.bincount(tiles)[1:] / 3000, 1 / 3, atol=0.04)


def test_tiles_are_four_by_four_and_reach_every_edge():
    tiles, corners = place_tiles(3000, seed=1)
    images = draw_tiles(tiles, corners)[tiles == 1]
    for image in images[:100, 0]:
        (box,) = ndimage.find_objects(ndimage.label(image)[0])
        assert image[box].shape == (4, 4)
        assert image[box].all()
    somewhere = images.max(axis=0)[0]
    assert somewhere[:, [0, -1]].any(axis=0).all()
    assert somewhere[[0, -1]].any(axis=1).all()


def test_a_tile_is_where_it_is_said_to_be():
    image = draw_tiles(np.array([1]), np.array([[[3, 20], [0, 0], [9, 9]]]))[0, 0]
    assert image[3:7, 20:24].all()
    assert image.sum() == 16


def test_tiles_are_the_same_on_every_machine():
    dataset = load("tiles")
    assert (len(dataset.train), len(dataset.test)) == (20_000, 4_000)
    assert dataset.sha256.startswith("04a75a4c1c97b1db")
