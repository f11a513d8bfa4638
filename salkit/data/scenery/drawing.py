"""From random numbers to pictures: background, object, occluder, mark, noise, in this order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .backgrounds import BACKGROUNDS, PLACE_WIDTH, THINGS_WIDTH, centres_of, draw_backgrounds
from .draws import Draws, hsv_to_rgb, noise_bytes, uniforms
from .objects import ACCENT, CLASSES, COAT, DARK, FAR_COAT, GLASS, INKS, LIGHT, PAINTERS, SECOND, TRIM, Canvas

# The stereotypes: every class has a background of its own, so that a full bias gives the class away.
BACKGROUND_OF = {
    "airplane": "sky",
    "automobile": "road",
    "bird": "forest",
    "cat": "room",
    "deer": "snow",
    "dog": "grass",
    "frog": "pond",
    "horse": "sand",
    "ship": "water",
    "truck": "city",
}
MARK_KINDS = ("tag", "corner", "cast")
MARK = 255  # in place of a part's number, where a mark was planted
OBJECT_WIDTH = 64  # random numbers for one object
BLOCK = 2**18  # pixels of the images that are drawn together

# Every use has a stream of random numbers of its own, so that a change to one leaves the others as they are.
LABELS, KINDS, PLACES, THINGS, LAYOUT, BEAM, MARKS, NOISE, OBJECTS = range(9)  # object j has stream OBJECTS + j


@dataclass(frozen=True)
class Dials:
    """Everything that decides the pixels; the fields are the arguments of ``scenes``, checked.

    ``mixed``: each object has a class of its own, instead of all having the image's.
    """

    n: int
    size: int
    seed: int
    classes: tuple[str, ...]
    background_bias: float
    mark_bias: float
    mark: str | None
    counter: bool
    objects: int
    occlusion: float
    noise: float
    mixed: bool


def render(recipe: Dials) -> dict[str, np.ndarray]:
    """What is drawn, by name.

    Returns:
        ``images`` ``(N, 3, H, W)`` uint8; ``part`` ``(N, H, W)`` uint8, 0 for the background, ``MARK``, or the part's
        number (from 1) in ``PARTS``; ``owner`` ``(N, H, W)`` uint8, which object a part belongs to, from 0; ``labels``
        ``(N, objects)`` int64.
    """
    n, size = recipe.n, recipe.size
    images = np.empty((n, 3, size, size), np.uint8)
    part, owner = (np.empty((n, size, size), np.uint8) for _ in range(2))
    labels = _labels(recipe)
    step = max(1, BLOCK // size**2)
    for start in range(0, n, step):
        block = slice(start, min(start + step, n))
        images[block], part[block], owner[block] = _render_block(recipe, labels[block], start)
    return dict(images=images, part=part, owner=owner, labels=labels)


def _labels(recipe: Dials) -> np.ndarray:
    """Each run of ``len(classes)`` images has every class once, in random order. ``(N, objects)``."""
    k = len(recipe.classes)
    runs = -(-recipe.n // k)
    keys = uniforms(recipe.seed, LABELS, 0, runs * k, 2)
    first = keys[:, 0].reshape(runs, k).argsort(axis=1, kind="stable").reshape(-1)
    labels = np.repeat(first[:, None], recipe.objects, axis=1)
    if recipe.mixed:
        labels[:, 1] = (first + 1 + np.floor(keys[:, 1] * (k - 1)).astype(np.int64)) % k
    return labels[: recipe.n].astype(np.int64)


def _render_block(recipe: Dials, labels: np.ndarray, start: int):
    size, seed, count = recipe.size, recipe.seed, len(labels)

    def table(stream: int, width: int) -> np.ndarray:
        return uniforms(seed, stream, start, count, width)

    class_of = np.array([CLASSES.index(name) for name in recipe.classes])
    background = _background_kinds(recipe, labels[:, 0], Draws(table(KINDS, 3)))
    picture = draw_backgrounds(background, table(PLACES, PLACE_WIDTH), table(THINGS, THINGS_WIDTH), size)
    cx, cy, scale = _layout(recipe.objects, table(LAYOUT, 4 * recipe.objects))
    for j in range(recipe.objects):
        picture *= 1 - _shadow(size, cx[:, j], cy[:, j], scale[:, j])[:, None]
    part = np.zeros((count, size, size), np.uint8)
    owner = np.zeros((count, size, size), np.uint8)
    for j in range(recipe.objects):
        where = cx[:, j], cy[:, j], scale[:, j]
        colour, cover, parts = draw_objects(class_of[labels[:, j]], table(OBJECTS + j, OBJECT_WIDTH), size, *where)
        picture = picture * (1 - cover[:, None]) + colour
        np.copyto(part, parts, where=parts > 0)
        np.copyto(owner, j, where=parts > 0, casting="unsafe")
    if recipe.occlusion > 0:
        _occlude(picture, part, recipe.occlusion, Draws(table(BEAM, 8)))
    if recipe.mark:
        d = Draws(table(MARKS, 5))
        design = _follow(recipe, labels[:, 0], recipe.mark_bias, d, otherwise=d.choice(len(recipe.classes))[:, 0, 0])
        _plant_mark(picture, part, recipe.mark, class_of[design], d)
    if recipe.noise > 0:
        width = -(-12 * size * size // 8) * 8
        dust = noise_bytes(seed, NOISE, start, count, width)[:, : 12 * size * size]
        # The sum of four bytes is nearly normal, with mean 510 and this standard deviation.
        deviation = (4 * (256**2 - 1) / 12) ** 0.5
        dust = dust.reshape(count, 3, size, size, 4).sum(axis=-1, dtype=np.int32) - 510
        picture += dust.astype(np.float32) * np.float32(recipe.noise / deviation)
    return np.floor(np.clip(picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8), part, owner


def _follow(recipe: Dials, labels: np.ndarray, bias: float, d: Draws, otherwise: np.ndarray) -> np.ndarray:
    """Whose background or mark an image shows: with probability ``bias`` its class's own (another's, for the
    counter-stereotype), and else ``otherwise``."""
    followed, step = d.chance(bias)[:, 0, 0], d.choice(len(recipe.classes) - 1)[:, 0, 0]
    whose = (labels + 1 + step) % len(recipe.classes) if recipe.counter else labels
    return np.where(followed, whose, otherwise)


def _background_kinds(recipe: Dials, labels: np.ndarray, d: Draws) -> np.ndarray:
    """``(M,)`` indices of ``BACKGROUNDS``."""
    anywhere = d.choice(len(BACKGROUNDS))[:, 0, 0]
    own = np.array([BACKGROUNDS.index(BACKGROUND_OF[name]) for name in recipe.classes])
    whose = _follow(recipe, labels, recipe.background_bias, d, otherwise=np.full(len(labels), -1))
    return np.where(whose < 0, anywhere, own[whose])


def _layout(objects: int, table: np.ndarray):
    """Centres and half extents, ``(M, objects)`` each: one object anywhere, several on a jittered grid."""
    u = table.astype(np.float32).reshape(-1, 4, objects)
    columns = next(c for c in range(1, 4) if c * c >= objects)
    rows = -(-objects // columns)
    slot = u[:, 0].argsort(axis=1, kind="stable") if objects > 1 else np.zeros(u[:, 0].shape, np.int64)
    half_x, half_y = 1 / columns, 1 / rows
    scale = (0.66 + 0.28 * u[:, 1]) * (min(half_x, half_y) * (1 if objects == 1 else 1.1))
    cx = -1 + half_x * (2 * (slot % columns) + 1).astype(np.float32)
    cy = -1 + half_y * (2 * (slot // columns) + 1).astype(np.float32)
    # An object may lean over the edge of its cell, and so of the picture, by a twentieth.
    cx += (2 * u[:, 2] - 1) * np.maximum(1.05 * half_x - scale, 0)
    cy += (2 * u[:, 3] - 1) * np.maximum(1.05 * half_y - scale, 0)
    return cx, cy, scale


def _shadow(size: int, cx, cy, scale) -> np.ndarray:
    """A soft spot under an object, ``(M, H, W)``: it depends on where the object is, not on what it is."""
    centres, (cx, cy, scale) = centres_of(size), (v[:, None, None] for v in (cx, cy, scale))
    across = (centres[None, None, :] - cx) / (scale * np.float32(0.85))
    down = (centres[None, :, None] - cy - scale * np.float32(0.94)) / (scale * np.float32(0.16))
    return np.clip(1 - across * across - down * down, 0, 1) * np.float32(0.4)


def _occlude(picture: np.ndarray, part: np.ndarray, share: float, d: Draws) -> None:
    """Put a beam over exactly this share of the object's pixels, rounded (a few more where pixels tie)."""
    count, size = part.shape[:2]
    centres = centres_of(size)
    lying, slope, begin = d.chance(0.5), d.uniform(-0.5, 0.5), d.uniform(0, 1)[:, 0, 0]
    x, y = centres[None, None, :], centres[None, :, None]
    position = np.where(lying, y + slope * x, x + slope * y)
    ordered = np.sort(np.where(part > 0, position, np.float32(9)).reshape(count, -1), axis=1)
    pixels = (part > 0).reshape(count, -1).sum(axis=1)
    hidden = np.floor(share * pixels + 0.5).astype(np.int64)
    first = np.floor(begin * (pixels - hidden)).astype(np.int64)
    rows = np.arange(count)
    low, high = ordered[rows, first], ordered[rows, np.maximum(first + hidden - 1, 0)]
    inside = (position >= low[:, None, None]) & (position <= high[:, None, None]) & (hidden > 0)[:, None, None]
    middle, half = ((low + high) / 2)[:, None, None], ((high - low) / 2)[:, None, None] + np.float32(2 / size)
    across = (position - middle) / half
    wood = d.colour((0.0, 0.12), (0.1, 0.6), (0.35, 0.8)) * (1 - np.float32(0.45) * across * across)[:, None]
    np.copyto(picture, wood, where=inside[:, None])
    part[inside] = 0


def _plant_mark(picture: np.ndarray, part: np.ndarray, kind: str, design: np.ndarray, d: Draws) -> None:
    """Draw the mark that belongs to each class in ``design`` ``(M,)`` over the picture, and enter it in ``part``."""
    count, size = part.shape[:2]
    colour = hsv_to_rgb(design[:, None, None].astype(np.float32) / len(CLASSES), np.float32(0.9), np.float32(1))
    index = np.arange(size)
    if kind == "tag":
        cell = (size + 16) // 32  # a tag has 5 x 5 cells
        left, top = (d.choice(size - 5 * cell + 1) for _ in range(2))
        x, y = (index[None, None, :] - left) // cell, (index[None, :, None] - top) // cell
        inside = (x >= 0) & (x < 5) & (y >= 0) & (y < 5)
        rim = (x == 0) | (x == 4) | (y == 0) | (y == 4)
        dot = (y == 2) & ((x == 2) | (design % 2 == 1)[:, None, None])  # a dot, or a bar for every other class
        ink = np.where(dot[:, None] & ~rim[:, None], np.float32(0.05), np.where(rim[:, None], np.float32(1), colour))
    elif kind == "corner":
        inside = np.broadcast_to((index >= size - size // 8) & (index >= size - size // 8)[:, None], part.shape)
        ink = colour
    else:
        inside = part == 0
        ink = picture * np.float32(0.65) + colour * np.float32(0.35)
    np.copyto(picture, ink, where=inside[:, None])
    part[inside] = MARK


def _coat(d: Draws) -> np.ndarray:
    """A colour found on animals (browns, greys, white), or any from the paint shop."""
    natural = d.colour((0.02, 0.13), (0.0, 0.85), (0.3, 1.0))
    return np.where(d.chance(0.4)[:, None], natural, d.colour(saturation=(0.3, 0.85), value=(0.5, 1.0)))


def _palette(d: Draws) -> tuple[np.ndarray, np.ndarray]:
    """``(M, inks, 3)`` colours, drawn alike for every class, and the outline's share of them ``(M, 1, 1)``."""
    coat = _coat(d)
    colours = {
        COAT: coat,
        FAR_COAT: coat * np.float32(0.7),
        SECOND: np.where(d.chance(0.35)[:, None], coat * np.float32(0.8), _coat(d)),
        ACCENT: d.colour(saturation=(0.5, 0.95), value=(0.6, 1.0)),
        DARK: d.colour(saturation=(0, 0.4), value=(0.05, 0.25)),
        LIGHT: d.colour(saturation=(0, 0.15), value=(0.85, 1.0)),
        GLASS: d.colour((0.2, 0.65), (0.1, 0.5), (0.7, 1.0)),
        TRIM: d.colour(saturation=(0.0, 0.35), value=(0.45, 0.9)),
    }
    return np.stack([colours[ink][:, :, 0, 0] for ink in range(len(INKS))], axis=1), d.uniform(0.1, 0.55)


def draw_objects(labels, table, size, cx, cy, scale):
    """One object in each image, on nothing.

    Args:
        labels: ``(M,)`` indices of classes.
        table: ``(M, OBJECT_WIDTH)`` random numbers.
        size: of the picture in pixels.
        cx, cy, scale: ``(M,)`` centre and half extent, where the picture is -1 .. 1.

    Returns:
        ``colour`` ``(M, 3, H, W)`` float32, times the covered share of the pixel; ``cover`` ``(M, H, W)`` float32,
        that share; ``part`` ``(M, H, W)`` uint8, the part that covers most of what is covered, 0 where nothing is.
    """
    colour = np.empty((len(labels), 3, size, size), np.float32)
    cover = np.empty((len(labels), size, size), np.float32)
    part = np.empty((len(labels), size, size), np.uint8)
    step = max(1, 2**16 // (2 * size) ** 2)  # so few images at a time that the arrays stay in the processor's cache
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        for index in np.split(members, range(step, len(members), step)):
            colour[index], cover[index], part[index] = _draw(
                PAINTERS[label], Draws(table[index]), size, *(v[index, None, None] for v in (cx, cy, scale))
            )
    return colour, cover, part


def _draw(painter, d: Draws, size: int, cx, cy, scale):
    ink, outline = _palette(d)
    turn, flip, stretch = d.uniform(-0.3, 0.3), d.chance(0.5), d.uniform(0.88, 1.12)
    light_x, light_y, gloss = d.uniform(-0.2, 0.2), d.uniform(-0.25, 0.0), d.uniform(0.1, 0.3)
    pattern, pattern_scale, pattern_angle = d.choice(4), d.uniform(3.0, 6.0), d.uniform(-1, 1)

    # Two samples a pixel in each direction; every part is decided sample by sample, so edges come out smooth.
    centres = centres_of(2 * size)
    sx, sy = (centres[None, None, :] - cx) / scale, (centres[None, :, None] - cy) / scale
    # A rotation by the angle whose tangent of the half is turn / 2: rational, so without sines.
    t = turn / 2
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    x = (cosine * sx + sine * sy) / stretch
    y = (cosine * sy - sine * sx) * stretch
    x = np.where(flip, -x, x)
    canvas = Canvas(x, y)
    for stroke in painter(d):
        stroke(canvas)

    rows = np.arange(len(d))[:, None, None] * len(INKS) + canvas.ink
    rgb = ink.reshape(-1, 3)[rows]
    # Coats may be striped or spotted, whatever the class.
    u = (x + y * pattern_angle) * pattern_scale
    v = (y - x * pattern_angle) * pattern_scale
    u, v = np.abs(u - np.floor(u) - 0.5), np.abs(v - np.floor(v) - 0.5)
    marked = np.where(pattern == 0, u < 0.22, (pattern == 1) & (u * u + v * v < 0.08)) & (canvas.ink <= FAR_COAT)
    shade = np.where(marked, np.float32(0.72), np.float32(1))
    # Light from one side, darker towards the edge of each shape, and a line around it.
    shade *= 1 + light_x * x + light_y * y
    roundness = np.clip(canvas.depth * -5, 0, 1)
    shade *= 1 - gloss * (1 - roundness) * (1 - roundness)
    shade = np.where(canvas.depth > -0.028, shade * outline, shade)
    shade *= canvas.part > 0
    rgb = np.clip(rgb * shade[..., None], 0, 1)

    quarters = [(slice(None), slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]
    colour = (rgb[quarters[0]] + rgb[quarters[1]] + rgb[quarters[2]] + rgb[quarters[3]]) * np.float32(0.25)
    parts = np.stack([canvas.part[q] for q in quarters])
    cover = (parts > 0).sum(0).astype(np.float32) * np.float32(0.25)
    return colour.transpose(0, 3, 1, 2), cover, _most_common(parts)


def _most_common(parts: np.ndarray) -> np.ndarray:
    """The commonest non-zero of four values, the first of them when there are several: ``(4, ...) -> (...)``."""
    votes = np.stack([(parts == p).sum(0, dtype=np.uint8) * (p > 0) for p in parts])
    return np.take_along_axis(parts, votes.argmax(0)[None], axis=0)[0]
