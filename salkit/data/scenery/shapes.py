"""Implicit shapes: functions of the point ``(x, y)`` that are negative inside, and about the distance to the edge.

What makes one is called with sizes and positions, and gives the function.

Sizes and positions are numbers or ``(M, 1, 1)`` arrays, one value for each image. Only additions, multiplications,
divisions, comparisons and square roots touch the picture: IEEE arithmetic rounds these alike on every machine.
``x`` grows to the right, ``y`` downwards. (Inigo Quilez, "2D distance functions", collects the formulas.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise

import numpy as np

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _f32(value):
    return np.asarray(value, dtype=np.float32)


def length(x, y):
    return np.sqrt(x * x + y * y)


def circle(cx, cy, radius) -> Shape:
    return lambda x, y: length(x - cx, y - cy) - radius


def ellipse(cx, cy, rx, ry) -> Shape:
    return lambda x, y: (length((x - cx) / rx, (y - cy) / ry) - 1) * np.minimum(_f32(rx), _f32(ry))


def box(cx, cy, half_width, half_height, rounding=0.0) -> Shape:
    def distance(x, y):
        across = np.abs(x - cx) - (half_width - rounding)
        down = np.abs(y - cy) - (half_height - rounding)
        outside = length(np.maximum(across, 0), np.maximum(down, 0))
        return outside + np.minimum(np.maximum(across, down), 0) - rounding

    return distance


def capsule(x0, y0, x1, y1, r0, r1=None) -> Shape:
    """A thick line from ``(x0, y0)`` to ``(x1, y1)``, whose radius runs from ``r0`` to ``r1``."""
    dx, dy = _f32(x1) - _f32(x0), _f32(y1) - _f32(y0)

    def distance(x, y):
        px, py = x - x0, y - y0
        along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
        radius = r0 if r1 is None else r0 + along * (_f32(r1) - _f32(r0))
        return length(px - along * dx, py - along * dy) - radius

    return distance


def stroke(start, bend, end, r0, r1, pieces=5) -> Shape:
    """A thick curve from ``start`` to ``end``, drawn towards ``bend`` (a quadratic Bezier curve, in capsules)."""
    t = [i / pieces for i in range(pieces + 1)]
    curve = [tuple((1 - s) ** 2 * start[k] + 2 * s * (1 - s) * bend[k] + s**2 * end[k] for k in (0, 1)) for s in t]
    knots = [(point, r0 + s * (r1 - r0)) for s, point in zip(t, curve, strict=True)]
    return union(*(capsule(*p, *q, r, s) for (p, r), (q, s) in pairwise(knots)))


def polygon(*corners) -> Shape:
    """A convex polygon; corners clockwise as seen on the screen."""
    return intersection(*(_half_plane(a, b) for a, b in pairwise((*corners, corners[0]))))


def _half_plane(a, b) -> Shape:
    """What lies on the right of the way from ``a`` to ``b``."""
    dx, dy = _f32(b[0]) - _f32(a[0]), _f32(b[1]) - _f32(a[1])
    size = length(dx, dy)
    return lambda x, y: (x - a[0]) * (dy / size) - (y - a[1]) * (dx / size)


def union(*shapes: Shape) -> Shape:
    return lambda x, y: functools.reduce(np.minimum, (shape(x, y) for shape in shapes))


def intersection(*shapes: Shape) -> Shape:
    return lambda x, y: functools.reduce(np.maximum, (shape(x, y) for shape in shapes))


def grown(shape: Shape, by: float) -> Shape:
    """Larger by so much on all sides; smaller where it is negative."""
    return lambda x, y: shape(x, y) - by


def smooth_union(a: Shape, b: Shape, width: float) -> Shape:
    """A union whose inner corner is filled over ``width``."""
    return lambda x, y: smooth_minimum(a(x, y), b(x, y), width)


def smooth_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    h = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - h * h * (width / 4)
