"""The ten kinds of object, drawn from parts.

An object is drawn in its own frame: it fills about -1 .. 1 in ``x`` (to the right, where it looks) and ``y``
(downwards). All images of one class are drawn together, as ``(M, S, S)`` arrays. What differs from image to image
(proportions, gait, variants) is a draw; colours are inks, whose colour is drawn without regard to the class.
"""

from __future__ import annotations

import numpy as np

from .draws import Draws
from .shapes import box, capsule, circle, ellipse, intersection, polygon, smooth_union, stroke, union

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

    def paint(self, shape: np.ndarray, part, ink: int, *, where=None, outline: bool = True) -> None:
        """Paint the inside of ``shape``; ``part`` may be an array. ``where`` ``(M, 1, 1)`` leaves images out."""
        inside = shape < 0
        if where is not None:
            inside &= where
        np.copyto(self.part, part, where=inside, casting="unsafe")
        np.copyto(self.ink, ink, where=inside, casting="unsafe")
        np.copyto(self.depth, shape if outline else FLAT, where=inside)

    def decorate(self, shape: np.ndarray, ink: int, *, on: int, where=None) -> None:
        """Ink without an outline, inside ``shape`` and only on the part ``on``, which stays the part."""
        inside = (shape < 0) & (self.part == on)
        if where is not None:
            inside &= where
        np.copyto(self.ink, ink, where=inside, casting="unsafe")

    def paint_joined(self, pieces: list[tuple[np.ndarray, int]], ink: int, *, width: float = 0.15) -> None:
        """Paint shapes grown together, without lines between them; a sample goes to the nearest shape's part."""
        joined, part = pieces[0][0], np.full(self.x.shape, pieces[0][1], np.uint8)
        nearest = joined
        for shape, name in pieces[1:]:
            np.copyto(part, name, where=shape < nearest, casting="unsafe")
            nearest = np.minimum(nearest, shape)
            joined = smooth_union(joined, shape, width)
        self.paint(joined, part, ink)


def _eye(c: Canvas, cx, cy, radius, *, part=HEAD) -> None:
    c.paint(circle(c.x, c.y, cx, cy, radius), part, LIGHT, outline=False)
    c.paint(circle(c.x, c.y, cx + radius * 0.25, cy, radius * 0.62), part, DARK, outline=False)


def _every(x, period) -> np.ndarray:
    """The distance to the middle of one's own period: a row of things."""
    return np.abs(x / period - np.floor(x / period) - 0.5) * period


def _wheel(c: Canvas, cx, cy, radius) -> None:
    c.paint(circle(c.x, c.y, cx, cy, radius), WHEELS, DARK)
    c.paint(circle(c.x, c.y, cx, cy, radius * 0.5), WHEELS, TRIM)
    c.paint(circle(c.x, c.y, cx, cy, radius * 0.16), WHEELS, DARK, outline=False)


def airplane(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    span, sweep, girth, chord = d.uniform(0.6, 0.9), d.uniform(0.25, 0.6), d.uniform(0.15, 0.22), d.uniform(0.34, 0.48)
    fin, propeller, windows = d.uniform(0.42, 0.62), d.chance(0.35), d.uniform(0.13, 0.18)
    far = span * 0.8
    c.paint(polygon(x, y, (-0.05 - sweep, -far), (0.12 - sweep, -far), (0.3, 0.0), (0.3 - chord, 0.0)), WINGS, FAR_COAT)
    c.paint(polygon(x, y, (-1.0, -fin), (-0.78, -fin), (-0.42, -0.02), (-0.84, 0.02)), TAIL, SECOND)
    fuselage = smooth_union(
        capsule(x, y, -0.85, -0.03, 0.55, 0.0, 0.06, girth), ellipse(x, y, 0.6, 0.03, 0.38, girth * 0.95), 0.1
    )
    c.paint(fuselage, BODY, COAT)
    c.decorate(np.abs(y - 0.09) - 0.035, SECOND, on=BODY)
    cockpit = intersection(x * -1 + 0.62, y - 0.02, x - 0.84, -0.11 - y)
    c.decorate(cockpit, GLASS, on=BODY)
    row = intersection(_every(x, windows) - 0.04, np.abs(y + 0.05) - 0.04, np.abs(x) - 0.5)
    c.decorate(row, GLASS, on=BODY)
    blade = ellipse(x, y, 1.0, 0.02, 0.045, 0.36)
    c.paint(blade, WINGS, DARK, where=propeller, outline=False)
    c.paint(polygon(x, y, (-0.85, 0.0), (-0.6, 0.0), (-0.82, 0.26), (-1.0, 0.26)), TAIL, SECOND)
    engine = capsule(x, y, -0.2 - sweep * 0.4, 0.4 * span + 0.08, 0.1 - sweep * 0.4, 0.4 * span + 0.08, 0.1, 0.1)
    c.paint(engine, WINGS, TRIM, where=~propeller)
    c.paint(
        polygon(x, y, (0.34 - chord, 0.06), (0.34, 0.06), (0.14 - sweep, span), (-0.08 - sweep, span)), WINGS, SECOND
    )


def automobile(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    roof, front, rear = d.uniform(-0.56, -0.4), d.uniform(0.1, 0.3), d.uniform(-0.62, -0.3)
    slope, wheel, belt, open_top = d.uniform(0.18, 0.36), d.uniform(0.2, 0.27), d.uniform(-0.08, 0.04), d.chance(0.15)
    cabin = polygon(x, y, (rear, roof), (front, roof), (front + slope, belt + 0.08), (rear - slope * 0.7, belt + 0.08))
    c.paint(cabin - 0.05, CABIN, COAT, where=~open_top)
    pane = polygon(
        x, y, (rear, roof + 0.03), (front, roof + 0.03), (front + slope * 0.8, belt), (rear - slope * 0.5, belt)
    )
    pillar = np.abs(x - (rear + front) / 2) - 0.045
    c.paint(intersection(pane, -pillar), CABIN, GLASS, where=~open_top, outline=False)
    shield = capsule(x, y, front + 0.04, roof + 0.12, front + 0.24, belt + 0.1, 0.05)
    c.paint(shield, CABIN, GLASS, where=open_top)
    c.paint(box(x, y, rear + 0.35, belt - 0.05, 0.13, 0.2, 0.08), CABIN, DARK, where=open_top)
    body = smooth_union(box(x, y, 0.0, 0.24, 0.95, 0.2, 0.14), box(x, y, -0.08, 0.12, 0.8, 0.2, 0.16), 0.1)
    c.paint(body, BODY, COAT)
    c.decorate(np.abs(y - 0.2) - 0.03, SECOND, on=BODY)
    c.decorate(ellipse(x, y, 0.86, 0.17, 0.1, 0.08), LIGHT, on=BODY)
    c.decorate(ellipse(x, y, -0.9, 0.17, 0.07, 0.08), ACCENT, on=BODY)
    c.decorate(np.abs(x - (rear + front) / 2) - 0.014, DARK, on=BODY)
    for cx in (-0.54, 0.54):
        c.paint(circle(x, y, cx, 0.42, wheel + 0.06), BODY, FAR_COAT, outline=False)
        _wheel(c, cx, 0.44, wheel)


def bird(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    flying, plump, tail = d.chance(0.4), d.uniform(0.32, 0.42), d.uniform(0.85, 1.0)
    tip_x, tip_y, beak = d.uniform(-0.5, -0.05), d.uniform(-1.0, -0.85), d.uniform(0.18, 0.34)
    crest = d.chance(0.3)
    c.paint(capsule(x, y, 0.0, -0.05, tip_x + 0.42, tip_y + 0.05, 0.22, 0.05), WINGS, FAR_COAT, where=flying)
    for cx in (-0.02, 0.16):
        leg = union(capsule(x, y, cx, 0.4, cx, 0.88, 0.045), capsule(x, y, cx, 0.9, cx + 0.16, 0.92, 0.045))
        c.paint(leg, LEGS, ACCENT, where=~flying)
    c.paint(polygon(x, y, (-0.3, -0.08), (-0.2, 0.3), (-tail, 0.42), (-tail - 0.06, 0.18)), TAIL, SECOND)
    c.paint(polygon(x, y, (0.6, -0.5), (0.68 + beak, -0.34), (0.6, -0.22)), BEAK, ACCENT)
    c.paint(polygon(x, y, (0.24, -0.86), (0.5, -0.6), (0.32, -0.5)), HEAD, SECOND, where=crest)
    torso = ellipse(x - 0.25 * y, y + 0.25 * x, -0.02, 0.12, 0.54, plump)
    c.paint_joined([(torso, BODY), (circle(x, y, 0.45, -0.4, 0.26), HEAD)], COAT, width=0.25)
    c.decorate(ellipse(x, y, 0.22, 0.28, 0.3, 0.24), LIGHT, on=BODY)
    folded = capsule(x, y, 0.08, 0.06, -0.55, 0.28, 0.23, 0.05)
    raised = smooth_union(
        capsule(x, y, 0.04, 0.02, tip_x, tip_y + 0.06, 0.24, 0.11),
        capsule(x, y, -0.1, 0.02, tip_x - 0.3, tip_y + 0.32, 0.2, 0.09),
        0.1,
    )
    c.paint(np.where(flying, raised, folded), WINGS, SECOND)
    _eye(c, 0.52, -0.44, 0.08)


def cat(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    lean, girth, ear = d.uniform(-0.12, 0.12), d.uniform(0.36, 0.46), d.uniform(0.3, 0.42)
    tail_x, tail_y = d.uniform(0.75, 0.95), d.uniform(-0.3, 0.1)
    hx, hy = lean, -0.26
    c.paint(stroke(x, y, (0.2, 0.8), (1.15, 0.95), (tail_x, tail_y), 0.1, 0.08), TAIL, COAT)
    c.paint_joined(
        [(ellipse(x, y, 0.0, 0.55, girth, 0.4), BODY), (ellipse(x, y, lean * 0.5, 0.2, girth * 0.75, 0.4), BODY)], COAT
    )
    c.decorate(ellipse(x, y, lean * 0.5, 0.3, 0.17, 0.3), LIGHT, on=BODY)
    for side in (-1, 1):
        c.paint(capsule(x, y, side * 0.14, 0.4, side * 0.15, 0.86, 0.1, 0.11), LEGS, COAT)
        outer = (hx + side * 0.42, hy - 0.26 - ear)
        base, inner = (hx + side * 0.42, hy), (hx + side * 0.04, hy - 0.3)
        corners = (outer, base, inner) if side > 0 else (outer, inner, base)
        c.paint(polygon(x, y, *corners), EARS, COAT)
        c.paint(polygon(x, y, *corners) + 0.07, EARS, ACCENT, outline=False)
    c.paint(ellipse(x, y, hx, hy, 0.47, 0.38), HEAD, COAT)
    c.decorate(ellipse(x, y, hx, hy + 0.2, 0.2, 0.13), LIGHT, on=HEAD)
    for side in (-1, 1):
        c.paint(ellipse(x, y, hx + side * 0.2, hy - 0.03, 0.1, 0.09), HEAD, GLASS, outline=False)
        c.paint(ellipse(x, y, hx + side * 0.2, hy - 0.03, 0.04, 0.085), HEAD, DARK, outline=False)
        for up in (-0.04, 0.08):
            whisker = capsule(x, y, hx + side * 0.2, hy + 0.15, hx + side * 0.66, hy + 0.15 + up, 0.018)
            c.paint(whisker, HEAD, LIGHT, outline=False)
    c.paint(ellipse(x, y, hx, hy + 0.12, 0.06, 0.045), HEAD, ACCENT, outline=False)


def _four_legs(c: Canvas, d: Draws, *, hind, fore, top, bottom, r0, r1):
    """Paint the far legs; return the near ones as a shape, to be joined with the body, and where their feet are."""
    x, y = c.x, c.y
    gait = d.uniform(-0.16, 0.16)
    for cx, swing in ((hind + 0.13, -gait), (fore - 0.13, gait)):
        c.paint(capsule(x, y, cx, top, cx + swing, bottom - 0.03, r0, r1), LEGS, FAR_COAT)
    feet = (hind + gait, fore - gait)
    near = (capsule(x, y, cx, top, foot, bottom, r0, r1) for cx, foot in zip((hind, fore), feet, strict=True))
    return union(*near), feet


def deer(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    rise, reach, girth = d.uniform(0.3, 0.45), d.uniform(-0.06, 0.1), d.uniform(0.18, 0.23)
    near, feet = _four_legs(c, d, hind=-0.48, fore=0.2, top=0.2, bottom=0.93, r0=0.1, r1=0.055)
    hx, hy = 0.46 + reach, 0.08 - rise
    for lean in (0.3, -0.3):
        bx, by = hx - 0.04, hy - 0.08
        beam = stroke(x, y, (bx, by), (bx + lean * 1.5, by - 0.12), (bx + lean, by - 0.62), 0.06, 0.045, 4)
        tines = union(
            capsule(x, y, bx + lean * 0.85, by - 0.18, bx + lean * 0.3, by - 0.42, 0.05, 0.04),
            capsule(x, y, bx + lean * 1.07, by - 0.34, bx + lean * 1.6, by - 0.55, 0.05, 0.04),
        )
        c.paint(union(beam, tines), ANTLERS, TRIM)
    c.paint(stroke(x, y, (-0.56, 0.05), (-0.72, -0.1), (-0.78, 0.1), 0.08, 0.06, 3), TAIL, LIGHT)
    c.paint(ellipse(x, y, hx - 0.2, hy - 0.06, 0.16, 0.08), EARS, FAR_COAT)
    c.paint_joined(
        [
            (capsule(x, y, -0.4, 0.12, 0.16, 0.1, girth + 0.02, girth), BODY),
            (near, LEGS),
            (capsule(x, y, 0.2, 0.06, hx - 0.02, hy, 0.15, 0.09), BODY),
            (capsule(x, y, hx, hy, hx + 0.27, hy + 0.09, 0.13, 0.075), HEAD),
        ],
        COAT,
    )
    c.decorate(ellipse(x, y, -0.1, 0.34, 0.4, 0.12), LIGHT, on=BODY)
    c.paint(circle(x, y, hx + 0.31, hy + 0.08, 0.055), HEAD, DARK, outline=False)
    _eye(c, hx + 0.05, hy - 0.03, 0.055)
    for foot in feet:
        c.paint(box(x, y, foot, 0.96, 0.07, 0.05, 0.02), LEGS, DARK, outline=False)


def dog(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    leg, snout, girth = d.uniform(0.74, 0.92), d.uniform(0.26, 0.4), d.uniform(0.22, 0.28)
    tail_x, tail_y, ear = d.uniform(-1.0, -0.78), d.uniform(-0.5, -0.2), d.uniform(0.24, 0.34)
    near, _ = _four_legs(c, d, hind=-0.46, fore=0.22, top=0.25, bottom=leg, r0=0.14, r1=0.1)
    c.paint(stroke(x, y, (-0.55, 0.1), (-0.95, 0.05), (tail_x, tail_y), 0.1, 0.055), TAIL, COAT)
    c.paint_joined(
        [
            (capsule(x, y, -0.36, 0.17, 0.2, 0.15, girth - 0.02, girth + 0.02), BODY),
            (near, LEGS),
            (capsule(x, y, 0.25, 0.05, 0.42, -0.25, 0.18, 0.18), BODY),
            (ellipse(x, y, 0.46, -0.36, 0.3, 0.28), HEAD),
            (capsule(x, y, 0.55, -0.27, 0.56 + snout, -0.24, 0.16, 0.11), HEAD),
        ],
        COAT,
    )
    c.paint(capsule(x, y, 0.14, -0.07, 0.44, 0.06, 0.05), BODY, ACCENT)
    c.paint(capsule(x, y, 0.3, -0.46, 0.2, -0.46 + ear, 0.1, 0.15), EARS, SECOND)
    c.paint(circle(x, y, 0.6 + snout, -0.3, 0.075), HEAD, DARK, outline=False)
    c.paint(capsule(x, y, 0.62, -0.16, 0.5 + snout, -0.17, 0.018), HEAD, DARK, outline=False)
    _eye(c, 0.56, -0.44, 0.075)


def frog(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    wide, eye, mouth, knee = d.uniform(0.58, 0.7), d.uniform(0.2, 0.25), d.uniform(0.36, 0.48), d.uniform(0.28, 0.36)
    for side in (-1, 1):
        c.paint(ellipse(x, y, side * 0.68, 0.42, 0.3, knee), LEGS, FAR_COAT)
        feet = union(*(capsule(x, y, side * 0.6, 0.76, side * (0.6 + 0.36 * k), 0.84, 0.07) for k in (0.0, 0.5, 1.0)))
        c.paint(feet, LEGS, FAR_COAT)
    c.paint_joined(
        [(ellipse(x, y, 0.0, 0.4, wide * 0.9, 0.42), BODY), (ellipse(x, y, 0.0, -0.02, wide, 0.36), HEAD)]
        + [(circle(x, y, side * 0.36, -0.36, eye), HEAD) for side in (-1, 1)],
        COAT,
        width=0.1,
    )
    c.decorate(ellipse(x, y, 0.0, 0.55, wide * 0.6, 0.3), LIGHT, on=BODY)
    for side in (-1, 1):
        c.paint(capsule(x, y, side * 0.34, 0.45, side * 0.28, 0.8, 0.1, 0.08), LEGS, COAT)
        toes = union(*(capsule(x, y, side * 0.28, 0.82, side * 0.28 + k, 0.87, 0.05) for k in (-0.1, 0.0, 0.1)))
        c.paint(toes, LEGS, COAT, outline=False)
        c.paint(circle(x, y, side * 0.36, -0.38, eye * 0.68), HEAD, LIGHT, outline=False)
        c.paint(ellipse(x, y, side * 0.36, -0.38, eye * 0.45, eye * 0.3), HEAD, DARK, outline=False)
        c.paint(circle(x, y, side * 0.07, -0.06, 0.022), HEAD, DARK, outline=False)
    smile = stroke(x, y, (-mouth, 0.02), (0.0, 0.3), (mouth, 0.02), 0.035, 0.035, 6)
    c.paint(smile, HEAD, DARK, outline=False)


def horse(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    rise, girth, bow, tail = d.uniform(0.36, 0.52), d.uniform(0.25, 0.3), d.uniform(0.16, 0.34), d.uniform(0.5, 0.75)
    near, feet = _four_legs(c, d, hind=-0.5, fore=0.26, top=0.15, bottom=0.93, r0=0.14, r1=0.075)
    hx, hy = 0.6, -0.16 - rise
    brush = union(
        stroke(x, y, (-0.6, -0.1), (-1.0, -0.15), (-0.94, tail), 0.08, 0.05),
        stroke(x, y, (-0.62, -0.06), (-0.88, 0.0), (-0.8, tail + 0.05), 0.08, 0.05),
        ellipse(x, y, -0.86, tail * 0.6, 0.14, tail * 0.4),
    )
    c.paint(brush, TAIL, SECOND)
    c.paint(polygon(x, y, (hx - 0.02, hy - 0.32), (hx + 0.12, hy - 0.06), (hx - 0.12, hy - 0.04)), EARS, COAT)
    c.paint_joined(
        [
            (capsule(x, y, -0.4, 0.02, 0.22, 0.02, girth + 0.02, girth), BODY),
            (near, LEGS),
            (capsule(x, y, 0.28, -0.06, hx - 0.02, hy + 0.03, 0.25, 0.15), BODY),
            (capsule(x, y, hx, hy, hx + 0.31, hy + bow, 0.17, 0.115), HEAD),
        ],
        COAT,
    )
    mane = union(
        stroke(x, y, (hx - 0.02, hy - 0.14), (hx - 0.3, hy + 0.04), (0.04, -0.12), 0.1, 0.1, 4),
        capsule(x, y, hx - 0.02, hy - 0.14, hx + 0.12, hy - 0.02, 0.07, 0.03),
    )
    c.paint(mane, MANE, SECOND)
    c.paint(circle(x, y, hx + 0.34, hy + bow - 0.03, 0.035), HEAD, DARK, outline=False)
    _eye(c, hx + 0.12, hy + 0.02, 0.065)
    for foot in feet:
        c.paint(box(x, y, foot, 0.95, 0.09, 0.06, 0.02), LEGS, DARK, outline=False)


def ship(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    sailing, deck, bow, keel = d.chance(0.5), d.uniform(0.2, 0.3), d.uniform(0.3, 0.45), d.uniform(0.62, 0.74)
    mast, top, funnels = d.uniform(-0.1, 0.1), d.uniform(-1.0, -0.8), d.chance(0.5)
    c.paint(box(x, y, mast, (top + deck) / 2, 0.04, (deck - top) / 2), RIG, DARK, where=sailing, outline=False)
    main = polygon(x, y, (mast - 0.06, top + 0.06), (mast - 0.06, deck - 0.1), (mast - 0.72, deck - 0.1))
    jib = polygon(x, y, (mast + 0.07, top + 0.2), (mast + 0.66, deck - 0.1), (mast + 0.07, deck - 0.1))
    c.paint(main, RIG, SECOND, where=sailing)
    c.paint(jib, RIG, LIGHT, where=sailing)
    flag = polygon(x, y, (mast, top - 0.02), (mast + 0.26, top + 0.06), (mast, top + 0.14))
    c.paint(flag, RIG, ACCENT, where=sailing)
    for cx, on in ((-0.42, funnels), (-0.05, True)):
        stack = polygon(x, y, (cx - 0.12, top + 0.25), (cx + 0.1, top + 0.25), (cx + 0.14, 0.0), (cx - 0.1, 0.0))
        c.paint(stack, RIG, ACCENT, where=~sailing & on)
    c.decorate(y - (top + 0.38), DARK, on=RIG, where=~sailing)
    c.paint(box(x, y, -0.15, 0.1, 0.52, 0.26, 0.04), CABIN, SECOND, where=~sailing)
    c.paint(box(x, y, 0.1, -0.2, 0.24, 0.16, 0.03), CABIN, LIGHT, where=~sailing)
    portholes = intersection(_every(x, 0.22) - 0.055, np.abs(y - 0.05) - 0.06)
    c.decorate(portholes, GLASS, on=CABIN)
    c.decorate(intersection(np.abs(y + 0.22) - 0.06, np.abs(x - 0.14) - 0.16), GLASS, on=CABIN)
    hull = polygon(x, y, (-0.92, deck), (0.98, deck - 0.1), (0.98 - bow, keel), (-0.74, keel))
    c.paint(hull, BODY, COAT)
    c.decorate(keel - 0.13 - y, ACCENT, on=BODY)
    c.decorate(np.abs(y - deck - 0.09) - 0.03, LIGHT, on=BODY)


def truck(c: Canvas, d: Draws) -> None:
    x, y = c.x, c.y
    top, cab_top, split = d.uniform(-0.72, -0.5), d.uniform(-0.36, -0.2), d.uniform(0.24, 0.38)
    rounding, wheel = d.uniform(0.02, 0.2), d.uniform(0.18, 0.22)
    hood, stripe = d.uniform(0.0, 0.3), d.uniform(-0.3, 0.0)
    c.paint(box(x, y, 0.0, 0.34, 0.92, 0.09), BODY, DARK)
    middle = (split - 0.97) / 2
    c.paint(box(x, y, middle, (top + 0.27) / 2, (split + 0.97) / 2, (0.27 - top) / 2, rounding), CARGO, SECOND)
    c.decorate(np.abs(y - stripe) - 0.06, ACCENT, on=CARGO)
    c.decorate(np.abs(np.abs(x - middle) - 0.22) - 0.012, DARK, on=CARGO)
    nose, back = 0.94, split + 0.06
    brow = nose - 0.1 - hood * 0.5
    cab = polygon(x, y, (back, cab_top), (brow, cab_top), (nose, 0.06), (nose, 0.38), (back, 0.38))
    c.paint(cab - 0.03, CABIN, COAT)
    pane = cab_top + 0.08
    window = polygon(x, y, (back + 0.11, pane), (brow - 0.04, pane), (nose - 0.1, 0.04), (back + 0.11, 0.04))
    c.paint(window, CABIN, GLASS)
    c.decorate(circle(x, y, nose, 0.22, 0.08), LIGHT, on=CABIN)
    for cx in (-0.74, -0.28, 0.66):
        _wheel(c, cx, 0.46, wheel)


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
