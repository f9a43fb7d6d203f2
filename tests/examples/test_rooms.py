import colorsys
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rooms
from rooms import FACTORS, HELD_OUT, ROOMS, TRAIN, draw_factors, render
from scenes import ANGLES, FLOOR, SCALES, SKY, SOLID, WALL, scenes
from solids import SOLIDS, meet, normal

from trainer.data.sets.shapes3d import SHAPES3D


def room(floor=0, wall=3, solid=6, scale=4, shape=0, angle=7):
    return render(np.array([[floor, wall, solid, scale, shape, angle]]))[0].astype(int)


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
        assert len(np.unique(render(values), axis=0)) == size


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


def test_the_images_have_the_form_of_shapes3d_and_say_that_they_are_not_it():
    assert np.prod(list(FACTORS.values())) == 480_000
    assert "not it" in ROOMS.summary
    train, test = ROOMS.read(())
    assert (train.shape, test.shape) == ((TRAIN, 3, 64, 64), (HELD_OUT, 3, 64, 64))
    assert train.shape[1:] == ROOMS.image_shape == SHAPES3D.image_shape
    assert train.dtype == np.uint8


def test_no_image_is_drawn_twice_and_labels_are_its_factors():
    train, test = ROOMS.read(())
    labels = ROOMS.read_labels(())
    labels.check("rooms", TRAIN, HELD_OUT)
    assert len(np.unique(np.concatenate([labels.train, labels.test]), axis=0)) == TRAIN + HELD_OUT
    np.testing.assert_array_equal(render(labels.train[[7, 2999]]), train[[7, 2999]])
    np.testing.assert_array_equal(render(labels.test[-1:]), test[-1:])


def test_an_image_does_not_depend_on_its_batch():
    factors = draw_factors(300)  # more than one block
    alone = np.concatenate([render(factors[[number]]) for number in (0, 299)])
    np.testing.assert_array_equal(render(factors)[[0, 299]], alone)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["local", "ray"])
def test_the_script_trains_on_it_with_either_backend(backend, tmp_path):
    """Ray's workers have no such row."""
    study, script = tmp_path / "s", Path(rooms.__file__)
    command = [
        *(sys.executable, str(script), "run", "pareto", "--dataset", "rooms", "--taus", "60,90"),
        *("--steps", "20", "--layers", "4,4,4,4", "--backend", backend, "--study", str(study)),
    ]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "2 trials trained" in ran.stdout
    assert len(list((study / "trials").iterdir())) == 2
