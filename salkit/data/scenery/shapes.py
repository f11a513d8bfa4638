"""Implicit shapes: functions of the point ``(x, y)`` that are negative inside, and about the distance to the edge.

Sizes and positions are numbers or ``(M, 1, 1)`` arrays, one value for each image. Only additions, multiplications,
divisions, comparisons and square roots touch the picture: IEEE arithmetic rounds these alike on every machine.
``x`` grows to the right, ``y`` downwards. (Inigo Quilez, "2D distance functions", collects the formulas.)
"""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np


def _f32(value):
    return np.asarray(value, dtype=np.float32)


def length(x, y):
    return np.sqrt(x * x + y * y)


def circle(x, y, cx, cy, radius):
    return length(x - cx, y - cy) - radius


def ellipse(x, y, cx, cy, rx, ry):
    return (length((x - cx) / rx, (y - cy) / ry) - 1) * np.minimum(_f32(rx), _f32(ry))


def box(x, y, cx, cy, half_width, half_height, rounding=0.0):
    across = np.abs(x - cx) - (half_width - rounding)
    down = np.abs(y - cy) - (half_height - rounding)
    outside = length(np.maximum(across, 0), np.maximum(down, 0))
    return outside + np.minimum(np.maximum(across, down), 0) - rounding


def capsule(x, y, x0, y0, x1, y1, r0, r1=None):
    """A thick line from ``(x0, y0)`` to ``(x1, y1)``, whose radius runs from ``r0`` to ``r1``."""
    dx, dy = _f32(x1) - _f32(x0), _f32(y1) - _f32(y0)
    px, py = x - x0, y - y0
    along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1)
    radius = r0 if r1 is None else r0 + along * (_f32(r1) - _f32(r0))
    return length(px - along * dx, py - along * dy) - radius


def stroke(x, y, start, bend, end, r0, r1, pieces=5):
    """A thick curve from ``start`` to ``end``, drawn towards ``bend`` (a quadratic Bezier curve, in capsules)."""
    t = [i / pieces for i in range(pieces + 1)]
    curve = [tuple((1 - s) ** 2 * start[k] + 2 * s * (1 - s) * bend[k] + s**2 * end[k] for k in (0, 1)) for s in t]
    knots = [(point, r0 + s * (r1 - r0)) for s, point in zip(t, curve, strict=True)]
    return union(*(capsule(x, y, *p, *q, r, s) for (p, r), (q, s) in pairwise(knots)))


def polygon(x, y, *corners):
    """A convex polygon; corners clockwise as seen on the screen."""
    edges = []
    for (ax, ay), (bx, by) in pairwise((*corners, corners[0])):
        dx, dy = _f32(bx) - _f32(ax), _f32(by) - _f32(ay)
        size = length(dx, dy)
        edges.append((x - ax) * (dy / size) - (y - ay) * (dx / size))
    return intersection(*edges)


def union(*shapes):
    return functools.reduce(np.minimum, shapes)


def intersection(*shapes):
    return functools.reduce(np.maximum, shapes)


def smooth_union(a, b, width):
    """A union whose inner corner is filled over ``width``."""
    h = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - h * h * (width / 4)
