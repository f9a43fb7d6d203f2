import colorsys

import numpy as np
import pytest
import torch

from trainer.data.drawn.room_scenes import ANGLES, FLOOR, SCALES, SKY, SOLID, WALL, scenes
from trainer.data.drawn.solids import SOLIDS, meet, normal
from trainer.data.sets.rooms import FACTORS, RECIPE, ROOMS, render
from trainer.data.sets.shapes3d import SHAPES3D


def room(floor=0, wall=3, solid=6, scale=4, shape=0, angle=7):
    return render(torch.tensor([[floor, wall, solid, scale, shape, angle]]))[0].numpy()


def scene(scale=4, shape=0, angle=7):
    kinds, brightness = scenes()
    number = np.ravel_multi_index((scale, shape, angle), (len(SCALES), len(SOLIDS), len(ANGLES)))
    return kinds[number], brightness[number]


# What is inside a solid of size 1, said in another way than by where rays meet it.
INSIDE = {
    "cube": lambda x, y, z: max(abs(x), abs(y), abs(z - 1)) <= 1,
    "cylinder": lambda x, y, z: np.hypot(x, y) <= 1 and 0 <= z <= 2,
    "sphere": lambda x, y, z: np.sqrt(x * x + y * y + (z - 1) ** 2) <= 1,
    "capsule": lambda x, y, z: np.sqrt(x * x + y * y + (z - np.clip(z, 1, 2)) ** 2) <= 1,
}


@pytest.mark.parametrize("solid", SOLIDS)
def test_a_ray_meets_a_solid_where_it_first_is_inside(solid):
    random = np.random.default_rng(0)
    hits, grazes = 0, 0
    for _ in range(60):
        origin = np.array([*random.normal(0, 1, 2), 0.0])
        origin *= 4 / np.linalg.norm(origin)
        origin[2] = random.uniform(0, 4)
        target = np.array([*random.uniform(-1.2, 1.2, 2), random.uniform(0, 3)])
        direction = target - origin
        steps = np.arange(0, 2.5, 0.002)
        path = (origin + t * direction for t in steps)
        first = next((t for t, p in zip(steps, path, strict=True) if INSIDE[solid](*p)), np.inf)
        found = float(meet(solid, 1.0, origin, direction))
        if np.isinf(first) or np.isinf(found):
            grazes += first != found  # inside for less than a step
            continue
        hits += 1
        assert found == pytest.approx(first, abs=0.003)
        facing = normal(solid, 1.0, origin + found * direction)
        assert np.linalg.norm(facing) == pytest.approx(1)
        assert facing @ direction <= 1e-9  # towards the ray
    assert hits >= 20
    assert grazes <= 1


def test_a_ray_away_from_the_solid_misses_it():
    for solid in SOLIDS:
        origin = np.array([4.0, 0, 1])
        assert meet(solid, 1.0, origin, np.array([1.0, 0, 0])) == np.inf
        assert meet(solid, 1.0, origin, np.array([-1.0, 0, 0])) == pytest.approx(3)


def test_the_layout_is_that_of_shapes3d():
    for angle in range(len(ANGLES)):
        kinds, _ = scene(scale=0, angle=angle)
        assert (kinds[:10] == SKY).all()
        assert (kinds[-8:] == FLOOR).all()
    kinds, _ = scene(scale=0, shape=2)
    edge = kinds[:, 5].tolist()
    assert 14 <= edge.index(WALL) <= 18
    assert 40 <= edge.index(FLOOR) <= 43
    assert set(np.unique(kinds)) == {SKY, FLOOR, WALL, SOLID}


def test_a_larger_solid_covers_more_and_every_factor_matters():
    areas = [(scene(scale=scale)[0] == SOLID).sum() for scale in range(len(SCALES))]
    assert areas == sorted(set(areas))
    base = np.zeros(6, int)
    for factor, size in enumerate(FACTORS.values()):
        values = np.tile(base, (size, 1))
        values[:, factor] = np.arange(size)
        images = render(torch.from_numpy(values)).flatten(1)
        assert len(images.unique(dim=0)) == size


def test_colours_are_those_of_the_surfaces():
    image = room(floor=1, wall=3, solid=6)
    kinds, brightness = scene()
    assert (image[:, kinds == SKY].T == (153, 226, 249)).all()
    for kind, hue in ((FLOOR, 0.1), (WALL, 0.3), (SOLID, 0.6)):
        colour = 255 * np.array(colorsys.hsv_to_rgb(hue, 1, 0.9))
        expected = colour[:, None] * brightness[kinds == kind] / 255
        assert abs(image[:, kinds == kind] - expected).max() <= 1


def test_the_shadow_is_to_the_right_and_the_floor_brighter_in_front():
    kinds, brightness = scene(shape=2)
    dark = ((kinds == FLOOR) & (brightness < 150)).nonzero()[1]
    assert len(dark) > 20
    assert dark.mean() > 34
    assert brightness[63, 2] > brightness[45, 2]


def test_the_row():
    assert RECIPE.count == 480_000
    assert "not it" in ROOMS.summary
    assert ROOMS.image_shape == SHAPES3D.image_shape


def test_an_image_does_not_depend_on_its_batch():
    numbers = torch.tensor([5, 400_000, 479_999])
    alone = torch.cat([RECIPE.images(number[None]) for number in numbers])
    assert torch.equal(RECIPE.images(numbers), alone)
    assert alone.dtype == torch.uint8
