"""The ten kinds of object, drawn from parts.

An object is a list of strokes, each painted over those before it, in a frame of its own: it fills about -1 .. 1 in
``x`` (to the right, where it looks) and ``y`` (downwards). All images of one class are drawn together, as ``(M, S, S)``
arrays. What differs from image to image (proportions, gait, variants) is a draw; colours are inks, whose colour is
drawn without regard to the class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import methodcaller

import numpy as np

from .draws import Draws
from .shapes import (
    Shape,
    box,
    capsule,
    circle,
    ellipse,
    grown,
    intersection,
    polygon,
    smooth_minimum,
    smooth_union,
    stroke,
    union,
)

# Part 0 is "no object". One list for all classes, so that one number tells the part in any image.
PARTS = (
    "body", "head", "ears", "antlers", "beak", "mane", "legs", "tail", "wings", "wheels", "cabin", "cargo", "rig",
)  # fmt: skip
BODY, HEAD, EARS, ANTLERS, BEAK, MANE, LEGS, TAIL, WINGS, WHEELS, CABIN, CARGO, RIG = range(1, len(PARTS) + 1)

INKS = ("coat", "far_coat", "second", "accent", "dark", "light", "glass", "trim")
COAT, FAR_COAT, SECOND, ACCENT, DARK, LIGHT, GLASS, TRIM = range(len(INKS))

FLAT = -9.0  # a depth far from any edge: no outline and no rounding


class Canvas:
    """Paints shapes over one another, and remembers for each sample the part, the ink, and the depth under the edge.

    Attributes:
        x, y: ``(M, S, S)`` float32, the samples in the object's frame.
        part, ink: ``(M, S, S)`` uint8; part 0 where nothing was painted.
        depth: ``(M, S, S)`` float32, at most 0: minus the distance to the edge of the shape painted last.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y
        self.part = np.zeros(x.shape, np.uint8)
        self.ink = np.zeros(x.shape, np.uint8)
        self.depth = np.zeros(x.shape, np.float32)

    def paint(self, shape: Shape, part: int, ink: int, *, where=None, outline: bool = True) -> None:
        """Paint the inside of ``shape``. ``where`` ``(M, 1, 1)`` leaves images out."""
        self._cover(shape(self.x, self.y), part, ink, where, outline)

    def decorate(self, shape: Shape, ink: int, *, on: int, where=None) -> None:
        """Ink without an outline, inside ``shape`` and only on the part ``on``, which stays the part."""
        inside = (shape(self.x, self.y) < 0) & (self.part == on)
        if where is not None:
            inside &= where
        np.copyto(self.ink, ink, where=inside, casting="unsafe")

    def join(self, pieces: list[tuple[Shape, int]], ink: int, *, width: float = 0.15) -> None:
        """Paint shapes grown together, without lines between them; a sample goes to the nearest shape's part."""
        (first, name), *others = pieces
        nearest = joined = first(self.x, self.y)
        part = np.full(joined.shape, name, np.uint8)
        for shape, name in others:
            distance = shape(self.x, self.y)
            np.copyto(part, name, where=distance < nearest, casting="unsafe")
            nearest, joined = np.minimum(nearest, distance), smooth_minimum(joined, distance, width)
        self._cover(joined, part, ink)

    def _cover(self, distance: np.ndarray, part, ink: int, where=None, outline: bool = True) -> None:
        inside = distance < 0
        if where is not None:
            inside &= where
        np.copyto(self.part, part, where=inside, casting="unsafe")
        np.copyto(self.ink, ink, where=inside, casting="unsafe")
        np.copyto(self.depth, distance if outline else FLAT, where=inside)


Stroke = Callable[[Canvas], None]

# What makes a stroke: it has the arguments of the canvas's method of this name, and calls it later.
paint, decorate, join = (partial(methodcaller, name) for name in ("paint", "decorate", "join"))


def _eye(cx, cy, radius) -> list[Stroke]:
    return [
        paint(circle(cx, cy, radius), HEAD, LIGHT, outline=False),
        paint(circle(cx + radius * 0.25, cy, radius * 0.62), HEAD, DARK, outline=False),
    ]


def _every(x, period) -> np.ndarray:
    """The distance to the middle of one's own period: a row of things."""
    return np.abs(x / period - np.floor(x / period) - 0.5) * period


def _wheel(cx, cy, radius) -> list[Stroke]:
    return [
        paint(circle(cx, cy, radius), WHEELS, DARK),
        paint(circle(cx, cy, radius * 0.5), WHEELS, TRIM),
        paint(circle(cx, cy, radius * 0.16), WHEELS, DARK, outline=False),
    ]


def airplane(d: Draws) -> list[Stroke]:
    span, sweep, girth, chord = d.uniform(0.6, 0.9), d.uniform(0.25, 0.6), d.uniform(0.15, 0.22), d.uniform(0.34, 0.48)
    fin, propeller, windows = d.uniform(0.42, 0.62), d.chance(0.35), d.uniform(0.13, 0.18)
    far = span * 0.8
    fuselage = smooth_union(capsule(-0.85, -0.03, 0.55, 0.0, 0.06, girth), ellipse(0.6, 0.03, 0.38, girth * 0.95), 0.1)
    cockpit = intersection(
        lambda x, y: x * -1 + 0.62, lambda x, y: y - 0.02, lambda x, y: x - 0.84, lambda x, y: -0.11 - y
    )
    row = intersection(
        lambda x, y: _every(x, windows) - 0.04, lambda x, y: np.abs(y + 0.05) - 0.04, lambda x, y: np.abs(x) - 0.5
    )
    engine = capsule(-0.2 - sweep * 0.4, 0.4 * span + 0.08, 0.1 - sweep * 0.4, 0.4 * span + 0.08, 0.1, 0.1)
    near_wing = polygon((0.34 - chord, 0.06), (0.34, 0.06), (0.14 - sweep, span), (-0.08 - sweep, span))
    return [
        paint(polygon((-0.05 - sweep, -far), (0.12 - sweep, -far), (0.3, 0.0), (0.3 - chord, 0.0)), WINGS, FAR_COAT),
        paint(polygon((-1.0, -fin), (-0.78, -fin), (-0.42, -0.02), (-0.84, 0.02)), TAIL, SECOND),
        paint(fuselage, BODY, COAT),
        decorate(lambda x, y: np.abs(y - 0.09) - 0.035, SECOND, on=BODY),
        decorate(cockpit, GLASS, on=BODY),
        decorate(row, GLASS, on=BODY),
        paint(ellipse(1.0, 0.02, 0.045, 0.36), WINGS, DARK, where=propeller, outline=False),
        paint(polygon((-0.85, 0.0), (-0.6, 0.0), (-0.82, 0.26), (-1.0, 0.26)), TAIL, SECOND),
        paint(engine, WINGS, TRIM, where=~propeller),
        paint(near_wing, WINGS, SECOND),
    ]


def automobile(d: Draws) -> list[Stroke]:
    roof, front, rear = d.uniform(-0.56, -0.4), d.uniform(0.1, 0.3), d.uniform(-0.62, -0.3)
    slope, wheel, belt, open_top = d.uniform(0.18, 0.36), d.uniform(0.2, 0.27), d.uniform(-0.08, 0.04), d.chance(0.15)
    cabin = polygon((rear, roof), (front, roof), (front + slope, belt + 0.08), (rear - slope * 0.7, belt + 0.08))
    pane = polygon((rear, roof + 0.03), (front, roof + 0.03), (front + slope * 0.8, belt), (rear - slope * 0.5, belt))
    glass = intersection(pane, lambda x, y: -(np.abs(x - (rear + front) / 2) - 0.045))  # on both sides of the pillar
    shield = capsule(front + 0.04, roof + 0.12, front + 0.24, belt + 0.1, 0.05)
    body = smooth_union(box(0.0, 0.24, 0.95, 0.2, 0.14), box(-0.08, 0.12, 0.8, 0.2, 0.16), 0.1)
    return [
        paint(grown(cabin, 0.05), CABIN, COAT, where=~open_top),
        paint(glass, CABIN, GLASS, where=~open_top, outline=False),
        paint(shield, CABIN, GLASS, where=open_top),
        paint(box(rear + 0.35, belt - 0.05, 0.13, 0.2, 0.08), CABIN, DARK, where=open_top),
        paint(body, BODY, COAT),
        decorate(lambda x, y: np.abs(y - 0.2) - 0.03, SECOND, on=BODY),
        decorate(ellipse(0.86, 0.17, 0.1, 0.08), LIGHT, on=BODY),
        decorate(ellipse(-0.9, 0.17, 0.07, 0.08), ACCENT, on=BODY),
        decorate(lambda x, y: np.abs(x - (rear + front) / 2) - 0.014, DARK, on=BODY),
        paint(circle(-0.54, 0.42, wheel + 0.06), BODY, FAR_COAT, outline=False),
        *_wheel(-0.54, 0.44, wheel),
        paint(circle(0.54, 0.42, wheel + 0.06), BODY, FAR_COAT, outline=False),
        *_wheel(0.54, 0.44, wheel),
    ]


def bird(d: Draws) -> list[Stroke]:
    flying, plump, tail = d.chance(0.4), d.uniform(0.32, 0.42), d.uniform(0.85, 1.0)
    tip_x, tip_y, beak = d.uniform(-0.5, -0.05), d.uniform(-1.0, -0.85), d.uniform(0.18, 0.34)
    crest = d.chance(0.3)
    legs = [union(capsule(cx, 0.4, cx, 0.88, 0.045), capsule(cx, 0.9, cx + 0.16, 0.92, 0.045)) for cx in (-0.02, 0.16)]
    upright = ellipse(-0.02, 0.12, 0.54, plump)
    folded = capsule(0.08, 0.06, -0.55, 0.28, 0.23, 0.05)
    raised = smooth_union(
        capsule(0.04, 0.02, tip_x, tip_y + 0.06, 0.24, 0.11),
        capsule(-0.1, 0.02, tip_x - 0.3, tip_y + 0.32, 0.2, 0.09),
        0.1,
    )
    return [
        paint(capsule(0.0, -0.05, tip_x + 0.42, tip_y + 0.05, 0.22, 0.05), WINGS, FAR_COAT, where=flying),
        *(paint(leg, LEGS, ACCENT, where=~flying) for leg in legs),
        paint(polygon((-0.3, -0.08), (-0.2, 0.3), (-tail, 0.42), (-tail - 0.06, 0.18)), TAIL, SECOND),
        paint(polygon((0.6, -0.5), (0.68 + beak, -0.34), (0.6, -0.22)), BEAK, ACCENT),
        paint(polygon((0.24, -0.86), (0.5, -0.6), (0.32, -0.5)), HEAD, SECOND, where=crest),
        join(
            [(lambda x, y: upright(x - 0.25 * y, y + 0.25 * x), BODY), (circle(0.45, -0.4, 0.26), HEAD)],
            COAT,
            width=0.25,
        ),
        decorate(ellipse(0.22, 0.28, 0.3, 0.24), LIGHT, on=BODY),
        paint(lambda x, y: np.where(flying, raised(x, y), folded(x, y)), WINGS, SECOND),
        *_eye(0.52, -0.44, 0.08),
    ]


def cat(d: Draws) -> list[Stroke]:
    lean, girth, ear = d.uniform(-0.12, 0.12), d.uniform(0.36, 0.46), d.uniform(0.3, 0.42)
    tail_x, tail_y = d.uniform(0.75, 0.95), d.uniform(-0.3, 0.1)
    hx, hy = lean, -0.26

    def leg_and_ear(side: int) -> list[Stroke]:
        outer = (hx + side * 0.42, hy - 0.26 - ear)
        base, inner = (hx + side * 0.42, hy), (hx + side * 0.04, hy - 0.3)
        triangle = polygon(outer, base, inner) if side > 0 else polygon(outer, inner, base)
        return [
            paint(capsule(side * 0.14, 0.4, side * 0.15, 0.86, 0.1, 0.11), LEGS, COAT),
            paint(triangle, EARS, COAT),
            paint(grown(triangle, -0.07), EARS, ACCENT, outline=False),
        ]

    def half_a_face(side: int) -> list[Stroke]:
        x, y = hx + side * 0.2, hy + 0.15
        return [
            paint(ellipse(x, hy - 0.03, 0.1, 0.09), HEAD, GLASS, outline=False),
            paint(ellipse(x, hy - 0.03, 0.04, 0.085), HEAD, DARK, outline=False),
            *(
                paint(capsule(x, y, hx + side * 0.66, hy + 0.15 + up, 0.018), HEAD, LIGHT, outline=False)
                for up in (-0.04, 0.08)
            ),
        ]

    return [
        paint(stroke((0.2, 0.8), (1.15, 0.95), (tail_x, tail_y), 0.1, 0.08), TAIL, COAT),
        join([(ellipse(0.0, 0.55, girth, 0.4), BODY), (ellipse(lean * 0.5, 0.2, girth * 0.75, 0.4), BODY)], COAT),
        decorate(ellipse(lean * 0.5, 0.3, 0.17, 0.3), LIGHT, on=BODY),
        *leg_and_ear(-1),
        *leg_and_ear(1),
        paint(ellipse(hx, hy, 0.47, 0.38), HEAD, COAT),
        decorate(ellipse(hx, hy + 0.2, 0.2, 0.13), LIGHT, on=HEAD),
        *half_a_face(-1),
        *half_a_face(1),
        paint(ellipse(hx, hy + 0.12, 0.06, 0.045), HEAD, ACCENT, outline=False),
    ]


def _four_legs(d: Draws, *, hind, fore, top, bottom, r0, r1):
    """The far legs as strokes; the near ones as a shape, to be joined with the body; and where their feet are."""
    gait = d.uniform(-0.16, 0.16)
    far = [
        paint(capsule(cx, top, cx + swing, bottom - 0.03, r0, r1), LEGS, FAR_COAT)
        for cx, swing in ((hind + 0.13, -gait), (fore - 0.13, gait))
    ]
    feet = (hind + gait, fore - gait)
    near = (capsule(cx, top, foot, bottom, r0, r1) for cx, foot in zip((hind, fore), feet, strict=True))
    return far, union(*near), feet


def deer(d: Draws) -> list[Stroke]:
    rise, reach, girth = d.uniform(0.3, 0.45), d.uniform(-0.06, 0.1), d.uniform(0.18, 0.23)
    far, near, feet = _four_legs(d, hind=-0.48, fore=0.2, top=0.2, bottom=0.93, r0=0.1, r1=0.055)
    hx, hy = 0.46 + reach, 0.08 - rise

    def antler(lean: float) -> Stroke:
        bx, by = hx - 0.04, hy - 0.08
        beam = stroke((bx, by), (bx + lean * 1.5, by - 0.12), (bx + lean, by - 0.62), 0.06, 0.045, 4)
        tines = union(
            capsule(bx + lean * 0.85, by - 0.18, bx + lean * 0.3, by - 0.42, 0.05, 0.04),
            capsule(bx + lean * 1.07, by - 0.34, bx + lean * 1.6, by - 0.55, 0.05, 0.04),
        )
        return paint(union(beam, tines), ANTLERS, TRIM)

    return [
        *far,
        antler(0.3),
        antler(-0.3),
        paint(stroke((-0.56, 0.05), (-0.72, -0.1), (-0.78, 0.1), 0.08, 0.06, 3), TAIL, LIGHT),
        paint(ellipse(hx - 0.2, hy - 0.06, 0.16, 0.08), EARS, FAR_COAT),
        join(
            [
                (capsule(-0.4, 0.12, 0.16, 0.1, girth + 0.02, girth), BODY),
                (near, LEGS),
                (capsule(0.2, 0.06, hx - 0.02, hy, 0.15, 0.09), BODY),
                (capsule(hx, hy, hx + 0.27, hy + 0.09, 0.13, 0.075), HEAD),
            ],
            COAT,
        ),
        decorate(ellipse(-0.1, 0.34, 0.4, 0.12), LIGHT, on=BODY),
        paint(circle(hx + 0.31, hy + 0.08, 0.055), HEAD, DARK, outline=False),
        *_eye(hx + 0.05, hy - 0.03, 0.055),
        *(paint(box(foot, 0.96, 0.07, 0.05, 0.02), LEGS, DARK, outline=False) for foot in feet),
    ]


def dog(d: Draws) -> list[Stroke]:
    leg, snout, girth = d.uniform(0.74, 0.92), d.uniform(0.26, 0.4), d.uniform(0.22, 0.28)
    tail_x, tail_y, ear = d.uniform(-1.0, -0.78), d.uniform(-0.5, -0.2), d.uniform(0.24, 0.34)
    far, near, _ = _four_legs(d, hind=-0.46, fore=0.22, top=0.25, bottom=leg, r0=0.14, r1=0.1)
    return [
        *far,
        paint(stroke((-0.55, 0.1), (-0.95, 0.05), (tail_x, tail_y), 0.1, 0.055), TAIL, COAT),
        join(
            [
                (capsule(-0.36, 0.17, 0.2, 0.15, girth - 0.02, girth + 0.02), BODY),
                (near, LEGS),
                (capsule(0.25, 0.05, 0.42, -0.25, 0.18, 0.18), BODY),
                (ellipse(0.46, -0.36, 0.3, 0.28), HEAD),
                (capsule(0.55, -0.27, 0.56 + snout, -0.24, 0.16, 0.11), HEAD),
            ],
            COAT,
        ),
        paint(capsule(0.14, -0.07, 0.44, 0.06, 0.05), BODY, ACCENT),
        paint(capsule(0.3, -0.46, 0.2, -0.46 + ear, 0.1, 0.15), EARS, SECOND),
        paint(circle(0.6 + snout, -0.3, 0.075), HEAD, DARK, outline=False),
        paint(capsule(0.62, -0.16, 0.5 + snout, -0.17, 0.018), HEAD, DARK, outline=False),
        *_eye(0.56, -0.44, 0.075),
    ]


def frog(d: Draws) -> list[Stroke]:
    wide, eye, mouth, knee = d.uniform(0.58, 0.7), d.uniform(0.2, 0.25), d.uniform(0.36, 0.48), d.uniform(0.28, 0.36)

    def hind_leg(side: int) -> list[Stroke]:
        foot = union(*(capsule(side * 0.6, 0.76, side * (0.6 + 0.36 * k), 0.84, 0.07) for k in (0.0, 0.5, 1.0)))
        return [paint(ellipse(side * 0.68, 0.42, 0.3, knee), LEGS, FAR_COAT), paint(foot, LEGS, FAR_COAT)]

    def fore_leg_and_eye(side: int) -> list[Stroke]:
        toes = union(*(capsule(side * 0.28, 0.82, side * 0.28 + k, 0.87, 0.05) for k in (-0.1, 0.0, 0.1)))
        return [
            paint(capsule(side * 0.34, 0.45, side * 0.28, 0.8, 0.1, 0.08), LEGS, COAT),
            paint(toes, LEGS, COAT, outline=False),
            paint(circle(side * 0.36, -0.38, eye * 0.68), HEAD, LIGHT, outline=False),
            paint(ellipse(side * 0.36, -0.38, eye * 0.45, eye * 0.3), HEAD, DARK, outline=False),
            paint(circle(side * 0.07, -0.06, 0.022), HEAD, DARK, outline=False),
        ]

    return [
        *hind_leg(-1),
        *hind_leg(1),
        join(
            [(ellipse(0.0, 0.4, wide * 0.9, 0.42), BODY), (ellipse(0.0, -0.02, wide, 0.36), HEAD)]
            + [(circle(side * 0.36, -0.36, eye), HEAD) for side in (-1, 1)],
            COAT,
            width=0.1,
        ),
        decorate(ellipse(0.0, 0.55, wide * 0.6, 0.3), LIGHT, on=BODY),
        *fore_leg_and_eye(-1),
        *fore_leg_and_eye(1),
        paint(stroke((-mouth, 0.02), (0.0, 0.3), (mouth, 0.02), 0.035, 0.035, 6), HEAD, DARK, outline=False),
    ]


def horse(d: Draws) -> list[Stroke]:
    rise, girth, bow, tail = d.uniform(0.36, 0.52), d.uniform(0.25, 0.3), d.uniform(0.16, 0.34), d.uniform(0.5, 0.75)
    far, near, feet = _four_legs(d, hind=-0.5, fore=0.26, top=0.15, bottom=0.93, r0=0.14, r1=0.075)
    hx, hy = 0.6, -0.16 - rise
    brush = union(
        stroke((-0.6, -0.1), (-1.0, -0.15), (-0.94, tail), 0.08, 0.05),
        stroke((-0.62, -0.06), (-0.88, 0.0), (-0.8, tail + 0.05), 0.08, 0.05),
        ellipse(-0.86, tail * 0.6, 0.14, tail * 0.4),
    )
    mane = union(
        stroke((hx - 0.02, hy - 0.14), (hx - 0.3, hy + 0.04), (0.04, -0.12), 0.1, 0.1, 4),
        capsule(hx - 0.02, hy - 0.14, hx + 0.12, hy - 0.02, 0.07, 0.03),
    )
    return [
        *far,
        paint(brush, TAIL, SECOND),
        paint(polygon((hx - 0.02, hy - 0.32), (hx + 0.12, hy - 0.06), (hx - 0.12, hy - 0.04)), EARS, COAT),
        join(
            [
                (capsule(-0.4, 0.02, 0.22, 0.02, girth + 0.02, girth), BODY),
                (near, LEGS),
                (capsule(0.28, -0.06, hx - 0.02, hy + 0.03, 0.25, 0.15), BODY),
                (capsule(hx, hy, hx + 0.31, hy + bow, 0.17, 0.115), HEAD),
            ],
            COAT,
        ),
        paint(mane, MANE, SECOND),
        paint(circle(hx + 0.34, hy + bow - 0.03, 0.035), HEAD, DARK, outline=False),
        *_eye(hx + 0.12, hy + 0.02, 0.065),
        *(paint(box(foot, 0.95, 0.09, 0.06, 0.02), LEGS, DARK, outline=False) for foot in feet),
    ]


def ship(d: Draws) -> list[Stroke]:
    sailing, deck, bow, keel = d.chance(0.5), d.uniform(0.2, 0.3), d.uniform(0.3, 0.45), d.uniform(0.62, 0.74)
    mast, top, funnels = d.uniform(-0.1, 0.1), d.uniform(-1.0, -0.8), d.chance(0.5)
    main = polygon((mast - 0.06, top + 0.06), (mast - 0.06, deck - 0.1), (mast - 0.72, deck - 0.1))
    jib = polygon((mast + 0.07, top + 0.2), (mast + 0.66, deck - 0.1), (mast + 0.07, deck - 0.1))
    flag = polygon((mast, top - 0.02), (mast + 0.26, top + 0.06), (mast, top + 0.14))

    def stack(cx: float) -> Shape:
        return polygon((cx - 0.12, top + 0.25), (cx + 0.1, top + 0.25), (cx + 0.14, 0.0), (cx - 0.1, 0.0))

    portholes = intersection(lambda x, y: _every(x, 0.22) - 0.055, lambda x, y: np.abs(y - 0.05) - 0.06)
    bridge = intersection(lambda x, y: np.abs(y + 0.22) - 0.06, lambda x, y: np.abs(x - 0.14) - 0.16)
    return [
        paint(box(mast, (top + deck) / 2, 0.04, (deck - top) / 2), RIG, DARK, where=sailing, outline=False),
        paint(main, RIG, SECOND, where=sailing),
        paint(jib, RIG, LIGHT, where=sailing),
        paint(flag, RIG, ACCENT, where=sailing),
        paint(stack(-0.42), RIG, ACCENT, where=~sailing & funnels),
        paint(stack(-0.05), RIG, ACCENT, where=~sailing),
        decorate(lambda x, y: y - (top + 0.38), DARK, on=RIG, where=~sailing),
        paint(box(-0.15, 0.1, 0.52, 0.26, 0.04), CABIN, SECOND, where=~sailing),
        paint(box(0.1, -0.2, 0.24, 0.16, 0.03), CABIN, LIGHT, where=~sailing),
        decorate(portholes, GLASS, on=CABIN),
        decorate(bridge, GLASS, on=CABIN),
        paint(polygon((-0.92, deck), (0.98, deck - 0.1), (0.98 - bow, keel), (-0.74, keel)), BODY, COAT),
        decorate(lambda x, y: keel - 0.13 - y, ACCENT, on=BODY),
        decorate(lambda x, y: np.abs(y - deck - 0.09) - 0.03, LIGHT, on=BODY),
    ]


def truck(d: Draws) -> list[Stroke]:
    top, cab_top, split = d.uniform(-0.72, -0.5), d.uniform(-0.36, -0.2), d.uniform(0.24, 0.38)
    rounding, wheel = d.uniform(0.02, 0.2), d.uniform(0.18, 0.22)
    hood, stripe = d.uniform(0.0, 0.3), d.uniform(-0.3, 0.0)
    middle = (split - 0.97) / 2
    nose, back = 0.94, split + 0.06
    brow = nose - 0.1 - hood * 0.5
    cab = polygon((back, cab_top), (brow, cab_top), (nose, 0.06), (nose, 0.38), (back, 0.38))
    pane = cab_top + 0.08
    window = polygon((back + 0.11, pane), (brow - 0.04, pane), (nose - 0.1, 0.04), (back + 0.11, 0.04))
    return [
        paint(box(0.0, 0.34, 0.92, 0.09), BODY, DARK),
        paint(box(middle, (top + 0.27) / 2, (split + 0.97) / 2, (0.27 - top) / 2, rounding), CARGO, SECOND),
        decorate(lambda x, y: np.abs(y - stripe) - 0.06, ACCENT, on=CARGO),
        decorate(lambda x, y: np.abs(np.abs(x - middle) - 0.22) - 0.012, DARK, on=CARGO),
        paint(grown(cab, 0.03), CABIN, COAT),
        paint(window, CABIN, GLASS),
        decorate(circle(nose, 0.22, 0.08), LIGHT, on=CABIN),
        *_wheel(-0.74, 0.46, wheel),
        *_wheel(-0.28, 0.46, wheel),
        *_wheel(0.66, 0.46, wheel),
    ]


PAINTERS = (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)
CLASSES = tuple(painter.__name__ for painter in PAINTERS)

PARTS_OF = {
    "airplane": ("body", "tail", "wings"),
    "automobile": ("body", "wheels", "cabin"),
    "bird": ("body", "head", "beak", "legs", "tail", "wings"),
    "cat": ("body", "head", "ears", "legs", "tail"),
    "deer": ("body", "head", "ears", "antlers", "legs", "tail"),
    "dog": ("body", "head", "ears", "legs", "tail"),
    "frog": ("body", "head", "legs"),
    "horse": ("body", "head", "ears", "mane", "legs", "tail"),
    "ship": ("body", "cabin", "rig"),
    "truck": ("body", "wheels", "cabin", "cargo"),
}
