"""The surfaces that the camera sees in a room, and their brightness, before they have a colour.

The camera moves around the solid in the middle of a square room without a ceiling, and sees the
far walls. The layout follows frames of Shapes3D: sky to row 16, wall to row 41, then floor.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from solids import SOLIDS, Vectors, meet, normal

SIDE = 64
"""Height and width of an image."""

SCALES = np.linspace(0.75, 1.25, 8)
"""Of the solid."""

ANGLES = np.radians(np.linspace(-30, 30, 15))
"""Of the camera around the solid, radians."""

SKY, FLOOR, WALL, SOLID = range(4)
"""Kinds of surface."""

_HALF_ROOM, _WALL_HEIGHT = 3.0, 2.73
_CAMERA_DISTANCE, _CAMERA_HEIGHT = 4.0, 1.6
_HORIZON, _FOCAL_LENGTH = 26.3, 64.0  # a row, and pixels
_SOLID_SIZE = 0.55
_LIGHT = np.array([-0.55, -0.45, 0.7])  # towards the light, as the camera sees it: left, near, up
_SIDE_WALL, _SHADOW, _SHADE = 0.6, 0.55, 0.6  # brightness; shade is of a face turned away


@cache
def scenes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw every combination of scale, solid and angle (fastest), once per process.

    Returns:
        The kind of surface, and its brightness (255 is full), each uint8 [480, 64, 64].
    """
    drawn = [_scene(*choice) for choice in product(SCALES, SOLIDS, ANGLES)]
    kinds, brightness = (np.stack(parts) for parts in zip(*drawn, strict=True))
    return kinds.astype(np.uint8), (255 * brightness).round().astype(np.uint8)


def _scene(scale: float, solid: str, angle: float) -> tuple[Vectors, Vectors]:
    """Draw one combination: kinds and brightness in [0, 1], each [64, 64]."""
    size = _SOLID_SIZE * scale
    right = np.array([np.cos(angle), np.sin(angle), 0])
    forward = np.array([-np.sin(angle), np.cos(angle), 0])
    camera = _column(-_CAMERA_DISTANCE * forward + [0, 0, _CAMERA_HEIGHT])
    ray = _rays(right, forward)
    light = _column(_LIGHT[0] * right + _LIGHT[1] * forward + [0, 0, _LIGHT[2]])

    kinds, brightness, distance = _room(camera, ray)
    floor_point = camera + distance * ray
    shaded = np.isfinite(meet(solid, size, floor_point, np.broadcast_to(light, ray.shape)))
    brightness = np.where((kinds == FLOOR) & shaded, brightness * _SHADOW, brightness)

    to_solid = meet(solid, size, np.broadcast_to(camera, ray.shape), ray)
    seen = to_solid < distance
    facing = normal(solid, size, camera + np.where(seen, to_solid, 1) * ray)
    lit = _SHADE + (1 - _SHADE) * np.clip(
        (facing * light).sum(axis=0) / np.linalg.norm(light), 0, 1
    )
    return np.where(seen, SOLID, kinds), np.where(seen, lit, brightness)


def _rays(right: Vectors, forward: Vectors) -> Vectors:
    """Return the direction of each pixel's ray, [3, 64, 64]; each goes one unit forwards."""
    middle = np.arange(SIDE) + 0.5
    along = (middle - SIDE / 2) / _FOCAL_LENGTH
    up = (_HORIZON - middle) / _FOCAL_LENGTH
    rays = np.empty((3, SIDE, SIDE))
    rays[:2] = _column(forward)[:2] + _column(right)[:2] * along
    rays[2] = up[:, np.newaxis]
    return rays


def _room(camera: Vectors, ray: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    """Return the kinds, the brightness, and the distance of floor or wall of the empty room."""
    to_side = (np.copysign(_HALF_ROOM, ray[0]) - camera[0]) / ray[0]
    to_back = (_HALF_ROOM - camera[1]) / ray[1]
    to_wall = np.minimum(to_side, to_back)
    to_floor = np.where(ray[2] < 0, -camera[2] / np.minimum(ray[2], -1e-9), np.inf)
    height = camera[2] + to_wall * ray[2]
    on_floor = to_floor < to_wall
    kinds = np.where(on_floor, FLOOR, np.where(height > _WALL_HEIGHT, SKY, WALL))
    floor = np.clip(1.15 - 0.06 * to_floor, 0.7, 1)  # brighter in front
    wall = np.where(to_side < to_back, _SIDE_WALL, 1)
    brightness = np.where(on_floor, floor, np.where(kinds == SKY, 1, wall))
    return kinds, brightness, np.minimum(to_floor, to_wall)


def _column(vector: Vectors) -> Vectors:
    return vector[:, np.newaxis, np.newaxis]
