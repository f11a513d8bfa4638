"""Exercises about photographs: what the network sees of one, where its map belongs, and what its guesses add up to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .cases import between
from .exercise import Exercise, Mistake
from .relations import LastStep


def _shape(generator: torch.Generator, k: int) -> tuple[int, int]:
    """Height and width: lying and standing in turn, and an odd rest, so that rounding shows."""
    side = (6, 5, 8, 7)[k % 4]
    shape = side, side + 2 * between(generator, 1, 2) + 1
    return shape if k % 2 else shape[::-1]


def _photo_case(generator: torch.Generator, k: int = 0) -> tuple:
    return (torch.randint(0, 256, (*_shape(generator, k), 3), dtype=torch.uint8, generator=generator),)


def _cut(photo: Tensor, start=lambda rest: rest // 2) -> Tensor:
    """The square ``(S, S, 3)`` that starts at ``start(rest)`` of what is too long, in [0, 1]."""
    side = min(photo.shape[:2])
    top, left = (start(size - side) for size in photo.shape[:2])
    return photo[top : top + side, left : left + side] / 255


middle_square = Exercise(
    name="middle_square",
    task="write fn(photo (H, W, 3) uint8) -> (3, S, S): the largest square in the middle, in [0, 1]; S is the shorter "
    "side.",
    case=_photo_case,
    reference=lambda photo: _cut(photo).permute(2, 0, 1),
    mistakes=(
        Mistake(
            "reshape doesn't move an axis, it only counts differently, and the picture is scrambled: permute(2, 0, 1).",
            lambda p: _cut(p).reshape(3, *_cut(p).shape[:2]),
        ),
        Mistake(
            "You cut at the upper left, not in the middle.",
            lambda p: _cut(p, lambda rest: 0).permute(2, 0, 1),
        ),
        Mistake(
            "The rest is odd, and you cut the larger part off above or at the left: round down, (H - S) // 2.",
            lambda p: _cut(p, lambda rest: (rest + 1) // 2).permute(2, 0, 1),
        ),
        Mistake(
            "You squashed the whole photograph into the square: cut it, so that round things stay round.",
            lambda p: F.interpolate(
                p.permute(2, 0, 1)[None] / 255, [min(p.shape[:2])] * 2, mode="bilinear", antialias=True
            )[0],
        ),
    ),
)


def _map_case(generator: torch.Generator, k: int = 0) -> tuple:
    height, width = _shape(generator, k)
    side = min(height, width)
    return 0.1 + torch.rand(side, side, generator=generator), height, width


def _put(square: Tensor, height: int, width: int, start=lambda rest: rest // 2) -> Tensor:
    """The square in a map of zeros, where it leaves ``start(rest)`` above and at the left."""
    rests = height - len(square), width - len(square)
    top, left = map(start, rests)
    return F.pad(square, (left, rests[1] - left, top, rests[0] - top))


placed_back = Exercise(
    name="placed_back",
    task="write fn(square_map (S, S), height, width) -> (height, width): the map where its middle square was cut out, "
    "zeros elsewhere; S is the shorter of height and width.",
    case=_map_case,
    reference=_put,
    mistakes=(
        Mistake(
            "You stretched the map over the whole photograph, also over what the network never saw: put it back where "
            "the square was cut out.",
            lambda m, h, w: F.interpolate(m[None, None], (h, w), mode="bilinear")[0, 0],
        ),
        Mistake(
            "You put the map at the upper left: the square was in the middle.",
            lambda m, h, w: _put(m, h, w, lambda rest: 0),
        ),
        Mistake(
            "The map is one pixel too low or too far to the right: round down, (height - S) // 2.",
            lambda m, h, w: _put(m, h, w, lambda rest: (rest + 1) // 2),
        ),
    ),
)


def _group_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, classes, size = ((4, 7, 3), (1, 6, 2), (3, 9, 4), (5, 8, 1))[k % 4]
    return 2 * torch.randn(n, classes, generator=generator), torch.randperm(classes, generator=generator)[
        :size
    ].tolist()


group_probability = Exercise(
    name="group_probability",
    task="write fn(logits (N, classes), members: a list of class numbers) -> (N,): the probability that the class is "
    "one of the members.",
    case=_group_case,
    reference=lambda z, g: z.softmax(1)[:, g].sum(1),
    mistakes=(
        Mistake(
            "You took the softmax among the members only, so they always add up to 1: first the softmax over all "
            "classes, then the members.",
            lambda z, g: z[:, g].softmax(1).sum(1),
        ),
        Mistake("You added up logits: take the softmax first.", lambda z, g: z[:, g].sum(1)),
        Mistake(
            "A sigmoid treats each class on its own: ImageNet's probabilities are a softmax over all of them.",
            lambda z, g: z.sigmoid()[:, g].sum(1),
        ),
        Mistake(
            "You took the softmax over the images: the classes are axis 1.", lambda z, g: z.softmax(0)[:, g].sum(1)
        ),
    ),
    last_step=LastStep("probabilities of the members", lambda z, g: z.softmax(1)[:, g]),
)
