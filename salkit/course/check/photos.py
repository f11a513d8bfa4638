"""Exercises about photographs: what the network sees of one, where its map belongs, and what its guesses add up to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .exercise import Exercise


def _photo_case(generator: torch.Generator) -> tuple:
    # Both shapes must come up, and an odd rest, so that rounding shows.
    side, half = (int(torch.randint(low, high, (), generator=generator)) for low, high in ((5, 9), (1, 3)))
    longer = side + 2 * half + 1
    shape = (side, longer) if torch.rand((), generator=generator) < 0.5 else (longer, side)
    return (torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator),)


def _corner(height: int, width: int) -> tuple[int, int, int]:
    side = min(height, width)
    return side, (height - side) // 2, (width - side) // 2


def _cut(photo: Tensor) -> Tensor:
    side, top, left = _corner(*photo.shape[:2])
    return photo[top : top + side, left : left + side]


def _ends(photo: Tensor, first: bool) -> Tensor:
    side = min(photo.shape[:2])
    return photo[:side, :side] if first else photo[-side:, -side:]


def _squashed(photo: Tensor) -> Tensor:
    side = min(photo.shape[:2])
    whole = photo.permute(2, 0, 1)[None].float() / 255
    return F.interpolate(whole, (side, side), mode="bilinear", antialias=True)[0]


def _later(photo: Tensor) -> Tensor:
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    return photo[top : top + side, left : left + side]


_MEAN, _STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

middle_square = Exercise(
    name="middle_square",
    task="write fn(photo (H, W, 3) uint8) -> (3, S, S): the largest square in the middle, in [0, 1]; S is the shorter "
    "side.",
    case=_photo_case,
    reference=lambda photo: _cut(photo).permute(2, 0, 1) / 255,
    mistakes=(
        ("The values still go up to 255: divide by 255.", lambda p: _cut(p).permute(2, 0, 1)),
        ("The values still go up to 255: divide by 255.", lambda p: _cut(p).permute(2, 0, 1).float()),
        ("You divided by 256: white would not be 1. Divide by 255.", lambda p: _cut(p).permute(2, 0, 1) / 256),
        ("The channels come last: a network wants (3, S, S), permute(2, 0, 1).", lambda p: _cut(p) / 255),
        (
            "Height and width have changed places, so the picture is mirrored on its diagonal: permute(2, 0, 1).",
            lambda p: _cut(p).permute(2, 1, 0) / 255,
        ),
        (
            "reshape doesn't move an axis, it only counts differently, and the picture is scrambled: permute(2, 0, 1).",
            lambda p: _cut(p).reshape(3, *_cut(p).shape[:2]) / 255,
        ),
        (
            "The colours are in the wrong order, blue first: they came as red, green, blue.",
            lambda p: _cut(p).permute(2, 0, 1).flip(0) / 255,
        ),
        ("You cut at the upper left, not in the middle.", lambda p: _ends(p, True).permute(2, 0, 1) / 255),
        ("You cut at the lower right, not in the middle.", lambda p: _ends(p, False).permute(2, 0, 1) / 255),
        (
            "You squashed the whole photograph into the square: cut it, so that round things stay round.",
            _squashed,
        ),
        (
            "The rest is odd, and you cut the larger part off above or at the left: round down, (H - S) // 2.",
            lambda p: _later(p).permute(2, 0, 1) / 255,
        ),
        (
            "You normalised with ImageNet's mean and deviation as well: salkit's networks do that themselves, and "
            "twice is once too often.",
            lambda p: ((_cut(p) / 255 - _MEAN) / _STD).permute(2, 0, 1),
        ),
        ("You returned a batch: the result is one image, (3, S, S).", lambda p: _cut(p).permute(2, 0, 1)[None] / 255),
    ),
)


def _map_case(generator: torch.Generator) -> tuple:
    (photo,) = _photo_case(generator)
    height, width = photo.shape[:2]
    side = min(height, width)
    return 0.1 + torch.rand(side, side, generator=generator), height, width


def _put(square: Tensor, height: int, width: int, top: int, left: int, around: float = 0.0) -> Tensor:
    whole = torch.full((height, width), around, dtype=square.dtype)
    whole[top : top + len(square), left : left + len(square)] = square
    return whole


def _in_the_middle(square: Tensor, height: int, width: int, around: float = 0.0) -> Tensor:
    _, top, left = _corner(height, width)
    return _put(square, height, width, top, left, around)


def _stretched(square: Tensor, height: int, width: int, mode: str) -> Tensor:
    return F.interpolate(square[None, None], (height, width), mode=mode)[0, 0]


placed_back = Exercise(
    name="placed_back",
    task="write fn(square_map (S, S), height, width) -> (height, width): the map where its middle square was cut out, "
    "zeros elsewhere; S is the shorter of height and width.",
    case=_map_case,
    reference=_in_the_middle,
    mistakes=(
        (
            "You stretched the map over the whole photograph, also over what the network never saw: put it back where "
            "the square was cut out.",
            lambda m, h, w: _stretched(m, h, w, "bilinear"),
        ),
        (
            "You stretched the map over the whole photograph, also over what the network never saw: put it back where "
            "the square was cut out.",
            lambda m, h, w: _stretched(m, h, w, "nearest"),
        ),
        ("You put the map at the upper left: the square was in the middle.", lambda m, h, w: _put(m, h, w, 0, 0)),
        (
            "You put the map at the lower right: the square was in the middle.",
            lambda m, h, w: _put(m, h, w, h - len(m), w - len(m)),
        ),
        (
            "The map is one pixel too low or too far to the right: round down, (height - S) // 2.",
            lambda m, h, w: _put(m, h, w, (h - len(m) + 1) // 2, (w - len(m) + 1) // 2),
        ),
        (
            "Around the map there are ones. The network saw nothing there: zeros.",
            lambda m, h, w: _in_the_middle(m, h, w, 1.0),
        ),
        (
            "Around the map there is its own lowest value. The network saw nothing there: zeros.",
            lambda m, h, w: _in_the_middle(m, h, w, m.min().item()),
        ),
        ("Height and width have changed places.", lambda m, h, w: _in_the_middle(m, w, h)),
        ("The map itself is mirrored on its diagonal: don't transpose it.", lambda m, h, w: _in_the_middle(m.T, h, w)),
        ("You returned the square map as it came.", lambda m, h, w: m),
    ),
)


def _group_case(generator: torch.Generator) -> tuple:
    logits = 2 * torch.randn(4, 7, generator=generator)
    return logits, torch.randperm(7, generator=generator)[:3].tolist()


group_probability = Exercise(
    name="group_probability",
    task="write fn(logits (N, classes), members: a list of class numbers) -> (N,): the probability that the class is "
    "one of the members.",
    case=_group_case,
    reference=lambda z, g: z.softmax(1)[:, g].sum(1),
    mistakes=(
        (
            "You took the softmax among the members only, so they always add up to 1: first the softmax over all "
            "classes, then the members.",
            lambda z, g: z[:, g].softmax(1).sum(1),
        ),
        ("You took the likeliest member only: add the members up.", lambda z, g: z.softmax(1)[:, g].amax(1)),
        ("You took the mean of the members: probabilities of classes add up.", lambda z, g: z.softmax(1)[:, g].mean(1)),
        ("You multiplied: that would be for all of them at once. Add.", lambda z, g: z.softmax(1)[:, g].prod(1)),
        ("You added up logits: take the softmax first.", lambda z, g: z[:, g].sum(1)),
        (
            "You added up the members' logits before the softmax or took their log-sum-exp: that is a score, and no "
            "probability yet.",
            lambda z, g: z[:, g].logsumexp(1),
        ),
        ("You added up log-probabilities: softmax, not log_softmax.", lambda z, g: z.log_softmax(1)[:, g].sum(1)),
        ("That is the logarithm of the probability.", lambda z, g: z.softmax(1)[:, g].sum(1).log()),
        ("You took the softmax over the images: the classes are dimension 1.", lambda z, g: z.softmax(0)[:, g].sum(1)),
        (
            "A sigmoid treats each class on its own: ImageNet's probabilities are a softmax over all of them.",
            lambda z, g: z.sigmoid()[:, g].sum(1),
        ),
        ("That is the probability that it is none of them.", lambda z, g: 1 - z.softmax(1)[:, g].sum(1)),
        ("You returned a percentage. A probability lies in [0, 1].", lambda z, g: 100 * z.softmax(1)[:, g].sum(1)),
        ("One probability for each member is too many: add them up, sum(1).", lambda z, g: z.softmax(1)[:, g]),
        ("members are class numbers, columns: [:, members].", lambda z, g: z.softmax(1)[g].sum(1)),
        ("You added up over the images as well: sum(1) gives one for each.", lambda z, g: z.softmax(1)[:, g].sum()),
    ),
)
