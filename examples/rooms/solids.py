"""Where rays meet the four solids of the rooms: each is convex, or made of convex parts.

A ray is inside a convex body between two distances: the latest entry into one of the slabs,
cylinders and spheres whose intersection it is, and the earliest exit. Vectors are float64
[3, ...]: x, y, and z upwards. Solids stand on z = 0 around the z axis.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Distances along each ray of entry and exit; entry > exit where the ray misses."""

SOLIDS = ("cube", "cylinder", "sphere", "capsule")


def meet(solid: str, size: float, origin: Vectors, direction: Vectors) -> NDArray[np.float64]:
    """Return the distance, in lengths of `direction`, at which each ray meets a solid.

    Args:
        solid: a name in `SOLIDS`.
        size: half of a cube's side, and the radius of the others; a capsule is half as high again.
        origin: where the rays start, outside of the solid.
        direction: where they go.

    Returns:
        The distances, infinite where the ray misses.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [_common(bodies) for bodies in _bodies(solid, size, origin, direction)]
    hits = [np.where((enter <= leave) & (enter > 0), enter, np.inf) for enter, leave in parts]
    nearest: NDArray[np.float64] = np.minimum.reduce(hits)
    return nearest


def normal(solid: str, size: float, point: Vectors) -> Vectors:
    """Return the direction, of length 1, in which the surface faces at points on it."""
    x, y, z = point
    if solid == "cube":
        outward = np.stack([x, y, z - size])
        outward = np.where(abs(outward) == abs(outward).max(axis=0), outward, 0)
    elif solid == "cylinder":
        top = z > 2 * size * (1 - 1e-6)
        outward = np.stack([np.where(top, 0, x), np.where(top, 0, y), np.where(top, 1, 0)])
    else:
        highest = size * (2 if solid == "capsule" else 1)
        outward = np.stack([x, y, z - np.clip(z, size, highest)])
    unit: Vectors = outward / np.sqrt((outward**2).sum(axis=0))
    return unit


def _bodies(solid: str, size: float, origin: Vectors, direction: Vectors) -> list[list[Interval]]:
    """Return the parts of a solid, each as the bodies it is the intersection of."""

    def slab(axis: int, low: float, high: float) -> Interval:
        ends = [(end - origin[axis]) / direction[axis] for end in (low, high)]
        return np.minimum(*ends), np.maximum(*ends)

    if solid == "cube":
        return [[slab(0, -size, size), slab(1, -size, size), slab(2, 0, 2 * size)]]
    if solid == "sphere":
        return [[_ball(size, size, origin, direction)]]
    round_side = _quadric(size, origin[:2], direction[:2])
    if solid == "cylinder":
        return [[round_side, slab(2, 0, 2 * size)]]
    ends = [[_ball(size, height, origin, direction)] for height in (size, 2 * size)]
    return [[round_side, slab(2, size, 2 * size)], *ends]


def _ball(radius: float, height: float, origin: Vectors, direction: Vectors) -> Interval:
    x, y, z = origin
    return _quadric(radius, np.stack([x, y, z - height]), direction)


def _quadric(radius: float, origin: Vectors, direction: Vectors) -> Interval:
    """Solve |origin + t·direction| = radius for t, in as many dimensions as are given."""
    a = (direction**2).sum(axis=0)
    half_b = (origin * direction).sum(axis=0)
    root = np.sqrt(half_b**2 - a * ((origin**2).sum(axis=0) - radius**2))
    # Not a number where the ray passes by: no comparison with it is true, so it is a miss.
    return (-half_b - root) / a, (-half_b + root) / a


def _common(bodies: list[Interval]) -> Interval:
    enter, leave = zip(*bodies, strict=True)
    return np.maximum.reduce(enter), np.minimum.reduce(leave)
