"""Ten textured places, and the odds and ends that lie about in all of them.

A background knows nothing of the object: it is drawn from the image's own random numbers and the kind of place alone.
Pictures are ``(M, 3, H, W)`` float32 in [0, 1], at the resolution of the image.
"""

from __future__ import annotations

import functools

import numpy as np

from .draws import Draws, hsv_to_rgb
from .shapes import Shape, box, capsule, circle, ellipse, grown, union

PLACE_WIDTH = 8000  # random numbers for one place, most of them in the lattices of its textures
THINGS_WIDTH = 96  # and for what lies about in it


def centres_of(size: int) -> np.ndarray:
    """Where the pixels of a row or column lie in -1 .. 1, ``(size,)`` float32."""
    return ((np.arange(size) * 2 + 1) / size - 1).astype(np.float32)


class Grid:
    """The pixel centres of a square picture in -1 .. 1, ``x`` ``(1, 1, W)`` and ``y`` ``(1, H, 1)``."""

    def __init__(self, size: int):
        self.size = size
        self.pixel = 2 / size
        centres = centres_of(size)
        self.x, self.y = centres[None, None, :], centres[None, :, None]

    def cover(self, shape: Shape | np.ndarray, softness=0.0):
        """How much of each pixel lies inside a shape, or where values are negative, 0 to 1; ``softness`` widens the
        edge."""
        distance = shape if isinstance(shape, np.ndarray) else shape(self.x, self.y)
        return np.clip(0.5 - distance / (self.pixel + softness), 0, 1)


@functools.lru_cache(maxsize=64)
def _between(size: int, count: int):
    """For each pixel the lattice point before it, and how far it is on the way to the next one (eased)."""
    position = (np.arange(size) + 0.5) / size * (count - 1)
    before = np.minimum(np.floor(position).astype(np.int64), count - 2)
    t = position - before
    return before, (t * t * (3 - 2 * t)).astype(np.float32)


def texture(d: Draws, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth random hills, ``(M, H, W)`` in [0, 1]: values on a coarse lattice, interpolated."""
    lattice = d.lattice(rows, columns)
    before, t = _between(size, columns)
    across = lattice[:, :, before] * (1 - t) + lattice[:, :, before + 1] * t
    before, t = _between(size, rows)
    return across[:, before] * (1 - t)[:, None] + across[:, before + 1] * t[:, None]


def clouds_of(d: Draws, size: int) -> np.ndarray:
    """Hills on hills (three octaves), ``(M, H, W)`` in [0, 1], most of it near 0.5."""
    return texture(d, size, 4, 4) * 0.5 + texture(d, size, 8, 8) * 0.3 + texture(d, size, 18, 18) * 0.2


def mix(a, b, amount):
    """From ``a`` to ``b``; ``amount`` ``(M, H, W)`` or ``(M, 1, 1)`` in [0, 1]."""
    amount = amount[:, None]
    return a * (1 - amount) + b * amount


def wave(phase):
    """A smooth wave of period 1, from 0 to 1, out of parabolas."""
    t = np.abs(phase - np.floor(phase) - 0.5) * 2
    return t * t * (3 - 2 * t)


def _heaven(d: Draws, g: Grid) -> np.ndarray:
    """A clear, hazy or evening sky."""
    evening = d.chance(0.2)
    hue = np.where(evening, d.uniform(-0.08, 0.1), d.uniform(0.52, 0.64))
    saturation, value = d.uniform(0.08, 0.65), d.uniform(0.7, 1.0)
    top, bottom = hsv_to_rgb(hue, saturation, value), hsv_to_rgb(hue, saturation * 0.35, np.minimum(value + 0.1, 1))
    return mix(top, bottom, (g.y + 1) / 2 + 0 * g.x)


def _land(d: Draws, g: Grid, low=-0.55, high=0.15, hills=0.4) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel lies under the horizon, and the horizon's height."""
    horizon = d.uniform(low, high) + (texture(d, g.size, 2, 5)[:, :1] - 0.5) * d.uniform(0.0, hills)
    return g.cover(horizon - g.y), horizon


def sky(d: Draws, g: Grid) -> np.ndarray:
    heaven = _heaven(d, g)
    amount = np.clip((clouds_of(d, g.size) - d.uniform(0.42, 0.6)) * 5, 0, 1)
    return mix(heaven, d.colour((0.5, 0.7), (0, 0.06), (0.88, 1.0)), amount * 0.9)


def water(d: Draws, g: Grid) -> np.ndarray:
    land, horizon = _land(d, g, -0.9, -0.35, hills=0.0)
    sea = d.colour((0.48, 0.62), (0.45, 0.85), (0.4, 0.75))
    depth = np.maximum(g.y - horizon, 0) + 0.02
    ripples = wave(d.uniform(3.0, 5.0) * np.sqrt(depth) + g.y * 3 + texture(d, g.size, 12, 6) * 1.8)
    far = np.clip(depth * 1.5, 0, 1)
    crests = ripples * 0.55 * far + texture(d, g.size, 48, 10) * 0.45
    waves = mix(sea * np.float32(0.8), sea * np.float32(1.15) + np.float32(0.1), crests)
    return mix(_heaven(d, g), waves, land)


def snow(d: Draws, g: Grid) -> np.ndarray:
    land, horizon = _land(d, g)
    white = d.colour((0.5, 0.7), (0.0, 0.07), (0.9, 1.0))
    drifts = mix(white * np.float32(0.86), white, np.clip(clouds_of(d, g.size) * 2 - 0.5, 0, 1))
    scene = mix(_heaven(d, g) * np.float32(0.92), drifts, land)
    for _ in range(14):
        flake = circle(d.uniform(-1, 1), d.uniform(-1, 1), d.uniform(0.015, 0.04))
        scene = mix(scene, np.float32(1), g.cover(flake) * 0.9)
    return scene


def grass(d: Draws, g: Grid) -> np.ndarray:
    land, _ = _land(d, g)
    green = d.colour((0.2, 0.36), (0.45, 0.8), (0.4, 0.75))
    blades = texture(d, g.size, 8, 30) * 0.35 + texture(d, g.size, 28, 90) * 0.45 + texture(d, g.size, 5, 5) * 0.2
    meadow = mix(green * np.float32(0.66), green * np.float32(1.22), blades)
    petals = d.colour(value=(0.8, 1.0))
    for _ in range(8):
        flower = circle(d.uniform(-1, 1), d.uniform(0.1, 1), d.uniform(0.02, 0.05))
        meadow = mix(meadow, petals, g.cover(flower) * d.chance(0.5))
    return mix(_heaven(d, g), meadow, land)


def sand(d: Draws, g: Grid) -> np.ndarray:
    land, horizon = _land(d, g)
    tan = d.colour((0.07, 0.13), (0.25, 0.55), (0.75, 0.95))
    ripples = wave((g.y - horizon) * d.uniform(3, 6) + g.x * d.uniform(-1, 1) + texture(d, g.size, 5, 5) * 2)
    dunes = mix(tan * np.float32(0.84), tan * np.float32(1.06), ripples * 0.6 + texture(d, g.size, 60, 60) * 0.4)
    return mix(_heaven(d, g), dunes, land)


def road(d: Draws, g: Grid) -> np.ndarray:
    land, horizon = _land(d, g, -0.5, 0.0, hills=0.2)
    near = np.maximum(g.y - horizon, 0)
    centre = d.uniform(-0.5, 0.5) + (g.x * 0 + d.uniform(-0.5, 0.5)) * near
    asphalt = d.colour((0, 1), (0, 0.08), (0.3, 0.55)) * (0.85 + 0.3 * texture(d, g.size, 70, 70))[:, None]
    across = np.abs(g.x - centre) - near * d.uniform(0.7, 1.3)
    asphalt = mix(asphalt, np.float32(0.92), g.cover(np.abs(across + near * 0.12) - near * 0.04))
    stretch = d.uniform(0.5, 1.0) / (near + 0.12)
    dash = (stretch - np.floor(stretch) < 0.5) * g.cover(np.abs(g.x - centre) - near * 0.05)
    asphalt = mix(asphalt, d.colour((0.12, 0.15), (0, 0.8), (0.9, 1.0)), dash)
    turf = 0.75 + 0.25 * texture(d, g.size, 60, 30) + 0.25 * texture(d, g.size, 9, 9)
    verge = d.colour((0.1, 0.32), (0.25, 0.6), (0.4, 0.75)) * turf[:, None]
    return mix(_heaven(d, g), mix(verge, asphalt, g.cover(across)), land)


def forest(d: Draws, g: Grid) -> np.ndarray:
    green = d.colour((0.24, 0.42), (0.35, 0.75), (0.3, 0.55))
    leaves = clouds_of(d, g.size)
    scene = mix(green * np.float32(0.5), green * np.float32(1.35), np.clip(leaves * 2.4 - 0.7, 0, 1))
    ground = d.uniform(0.35, 0.75)
    for _ in range(6):
        trunk = d.colour((0.04, 0.1), (0.25, 0.55), (0.2, 0.5))
        cx, half = d.uniform(-1, 1), d.uniform(0.04, 0.11)
        side = (g.x - cx) / half
        bark = trunk * np.clip(1.1 - 0.4 * side, 0.5, 1.5)[:, None]
        scene = mix(scene, bark, g.cover(np.maximum(np.abs(g.x - cx) - half * (1 + 0.3 * g.y), g.y - ground - 0.1)))
    moss = d.colour((0.1, 0.3), (0.3, 0.6), (0.28, 0.5)) * (0.75 + 0.5 * texture(d, g.size, 24, 60))[:, None]
    scene = mix(scene, moss, g.cover(ground - g.y, 0.1))
    return mix(scene, scene + np.float32(0.25), np.clip(texture(d, g.size, 3, 6) * 2 - 1.1, 0, 1))


def room(d: Draws, g: Grid) -> np.ndarray:
    paper, floor = d.colour(saturation=(0.08, 0.5), value=(0.6, 0.95)), d.colour((0.02, 0.12), (0.3, 0.65), (0.4, 0.8))
    period, striped = d.uniform(0.18, 0.4), d.chance(0.6)
    stripes = (wave(g.x / period + d.uniform(0, 1)) > 0.5) * striped * 0.14 + 0 * g.y
    scene = mix(paper, paper * np.float32(0.4), stripes + 0.1 * texture(d, g.size, 4, 4))
    cx, cy, half = d.uniform(-0.8, 0.8), d.uniform(-0.7, -0.3), d.uniform(0.18, 0.34)
    frame = box(cx, cy, half, half * d.uniform(0.8, 1.3))
    scene = mix(scene, d.colour((0.05, 0.12), (0.2, 0.7), (0.25, 0.95)), g.cover(frame))
    inside = mix(d.colour(value=(0.6, 1.0)), d.colour(value=(0.3, 0.9)), np.clip((g.y - cy) * 6 + 0.5 + 0 * g.x, 0, 1))
    scene = mix(scene, inside, g.cover(grown(frame, -0.05)))
    edge = d.uniform(0.1, 0.5)
    plank = (g.x - d.uniform(-0.3, 0.3)) / (g.y + 1.2 - edge * 0.4) * d.uniform(2.5, 4)
    boards = floor * (0.82 + 0.28 * texture(d, g.size, 24, 6))[:, None]
    boards = mix(boards, boards * np.float32(0.55), np.clip(1.4 - 12 * np.abs(plank - np.floor(plank) - 0.5), 0, 1))
    scene = mix(scene, boards, g.cover(edge - g.y))
    return mix(scene, np.float32(0.95), g.cover(np.abs(g.y - edge) - 0.03) * 0.8 + 0 * g.x)


def city(d: Draws, g: Grid) -> np.ndarray:
    scene = _heaven(d, g)
    street = d.uniform(0.3, 0.6)
    lit = d.colour((0.1, 0.16), (0.1, 0.6), (0.85, 1.0))
    for k in range(6):
        wall = d.colour(saturation=(0.05, 0.45), value=(0.3, 0.75))
        cx, half, top = -1 + 0.4 * k + d.uniform(-0.12, 0.12), d.uniform(0.16, 0.3), d.uniform(-0.85, 0.0)
        house = np.maximum(np.abs(g.x - cx) - half, top - g.y)
        u, v = (g.x - cx) / d.uniform(0.13, 0.2), (g.y - top) / d.uniform(0.17, 0.25)
        pane = np.maximum(np.abs(u - np.floor(u) - 0.5) * 0.16 - 0.045, np.abs(v - np.floor(v) - 0.5) * 0.2 - 0.06)
        facade = mix(wall, np.where(d.chance(0.5)[:, None], lit, wall * np.float32(0.45)), g.cover(pane))
        scene = mix(scene, facade, g.cover(house))
    paving = d.colour(saturation=(0, 0.1), value=(0.4, 0.7)) * (0.85 + 0.3 * texture(d, g.size, 30, 30))[:, None]
    scene = mix(scene, paving, g.cover(street - g.y))
    return mix(scene, np.float32(0.85), g.cover(np.abs(g.y - street) - 0.025) * 0.7 + 0 * g.x)


def pond(d: Draws, g: Grid) -> np.ndarray:
    murk = d.colour((0.28, 0.45), (0.3, 0.6), (0.28, 0.5))
    streaks = texture(d, g.size, 14, 4) * 0.6 + clouds_of(d, g.size) * 0.4
    scene = mix(murk * np.float32(0.7), murk * np.float32(1.3), streaks)
    pad = d.colour((0.22, 0.36), (0.4, 0.75), (0.5, 0.8))
    for _ in range(7):
        cx, cy, rx = d.uniform(-1, 1), d.uniform(-0.6, 1), d.uniform(0.12, 0.28)
        leaf = ellipse(cx, cy, rx, rx * 0.55)(g.x, g.y)
        notch = np.maximum(np.abs((g.y - cy) - (g.x - cx) * 0.2) - (g.x - cx) * 0.22, cx - g.x)
        scene = mix(scene, pad * d.uniform(0.75, 1.1)[:, None], g.cover(np.maximum(leaf, -notch)))
    reed = d.colour((0.18, 0.32), (0.4, 0.7), (0.4, 0.7))
    for _ in range(9):
        cx, lean, top = d.uniform(-1, 1), d.uniform(-0.1, 0.1), d.uniform(-1.1, -0.3)
        blade = capsule(cx, 0.1, cx + lean, top, 0.03, 0.008)
        scene = mix(scene, reed * d.uniform(0.7, 1.1)[:, None], g.cover(blade))
    return scene


PAINTERS = (sky, road, forest, room, snow, grass, pond, sand, water, city)
BACKGROUNDS = tuple(painter.__name__ for painter in PAINTERS)


def scatter(scene: np.ndarray, d: Draws, g: Grid) -> np.ndarray:
    """Boxes, rocks, bushes, trees, a sun or balloon, and far-off birds: the same for every place and class."""

    def put(shape, colour, on):
        return mix(scene, colour, g.cover(shape) * on)

    disc = circle(d.uniform(-1, 1), d.uniform(-1, -0.3), d.uniform(0.1, 0.22))
    scene = put(disc, d.colour((0.0, 0.17), (0.0, 0.8), (0.85, 1.0)), d.chance(0.3))
    for _ in range(2):  # trees and bushes
        cx, cy, r = d.uniform(-1, 1), d.uniform(0.0, 0.7), d.uniform(0.14, 0.3)
        on, top = d.chance(0.35), cy - d.uniform(0.01, 0.5)
        trunk = d.colour((0.03, 0.1), (0.3, 0.6), (0.25, 0.5))
        scene = put(capsule(cx, cy, cx, top, 0.05), trunk, on)
        low = [circle(cx + side * r * 0.8, top, r * 0.65) for side in (-1, 1)]
        leaves = d.colour((0.15, 0.45), (0.3, 0.7), (0.3, 0.7))
        scene = put(union(circle(cx, top - r * 0.5, r * 0.9), *low), leaves, on)
    for _ in range(2):  # boxes and rocks
        half, roundness = d.uniform(0.08, 0.24), d.uniform(0.05, 1.0)
        high = half * d.uniform(0.6, 1.1)
        block = box(d.uniform(-1, 1), d.uniform(-0.1, 1), half, high, np.minimum(half, high) * roundness)
        colour, on = d.colour(saturation=(0.0, 0.7), value=(0.3, 0.85)), d.chance(0.4)
        scene = put(block, colour * np.float32(0.5), on)
        scene = put(grown(block, -0.03), colour, on)
    flock, dark = d.chance(0.3), d.uniform(0.1, 0.4)[:, None]
    for _ in range(3):
        cx, cy, r = d.uniform(-0.95, 0.95), d.uniform(-0.95, -0.2), d.uniform(0.05, 0.1)
        wings = union(*(capsule(cx, cy, cx + side * r, cy - r * 0.6, 0.014) for side in (-1, 1)))
        scene = put(wings, dark, flock)
    return scene


def draw_backgrounds(kinds: np.ndarray, places: np.ndarray, things: np.ndarray, size: int) -> np.ndarray:
    """The places, without any object.

    Args:
        kinds: ``(M,)`` indices of ``BACKGROUNDS``.
        places: ``(M, PLACE_WIDTH)`` random numbers for the place itself.
        things: ``(M, THINGS_WIDTH)`` random numbers for the odds and ends: the same ones in any place.
        size: of the pictures in pixels.

    Returns:
        ``(M, 3, size, size)`` float32 in [0, 1].
    """
    g = Grid(size)
    out = np.empty((len(kinds), 3, size, size), np.float32)
    for kind in np.unique(kinds):
        index = np.flatnonzero(kinds == kind)
        d = Draws(things[index])
        haze = d.uniform(0.0, 0.22), d.colour(saturation=(0.0, 0.3), value=(0.6, 1.0))
        scene = scatter(PAINTERS[kind](Draws(places[index]), g), d, g)
        out[index] = np.clip(mix(scene, haze[1], haze[0]), 0, 1)
    return out
