"""Exercises about known answers: scores of a map on a mask, and taking the most relevant pixels away."""

from __future__ import annotations

import torch
from torch import Tensor

from .cases import between, random_masks, scaled_maps, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _first(maps: Tensor, count: Tensor | int) -> Tensor:
    """Which pixels are the ``count`` highest of each map, ``(N, H, W)`` bool; of tied ones those that come first."""
    place = maps.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (place < torch.as_tensor(count).view(-1, 1)).view(maps.shape)


def _size(masks: Tensor) -> Tensor:
    return masks.sum((1, 2))


def _rank(maps: Tensor, masks: Tensor, count: Tensor) -> Tensor:
    return (_first(maps, count) & masks).sum((1, 2)) / count


relevance_rank = Exercise(
    name="relevance_rank",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): of each map's k most relevant pixels, the share "
    "that lies on its mask, where k is the size of this mask in pixels.",
    case=scaled_maps,
    reference=lambda m, k: _rank(m, k, _size(k)),
    mistakes=(
        Mistake(
            "You took the size of the first mask for all maps. Each map has its own k.",
            lambda m, k: _rank(m, k, _size(k)[:1].expand(len(k))),
        ),
        Mistake(
            "You took the least relevant pixels: sort in descending order.",
            lambda m, k: _rank(-m, k, _size(k)),
        ),
        Mistake(
            "That is the share of the relevance on the mask. Here only the order of the pixels counts.",
            lambda m, k: (m * k).sum((1, 2)) / m.sum((1, 2)),
        ),
        Mistake(
            "That is intersection over union. Divide the pixels that are on the mask by k.",
            lambda m, k: (_first(m, _size(k)) & k).sum((1, 2)) / (_first(m, _size(k)) | k).sum((1, 2)),
        ),
    ),
    last_step=LastStep("pixels that are among the k and on the mask", lambda m, k: _first(m, _size(k)) & k),
)


def _tied_maps(generator: torch.Generator, k: int = 0) -> tuple:
    # Few different values, so that many pixels tie, as in a map with a ReLU at its end.
    n, _, height, width = sizes(k)
    maps = (3 * torch.rand(n, height, width, generator=generator)).floor() * torch.linspace(0.2, 5, n).view(n, 1, 1)
    return maps, random_masks(generator, n, height, width)


def _auc(maps: Tensor, masks: Tensor, tied: float = 0.5, others=torch.logical_not) -> Tensor:
    """Mean over the pairs (a pixel on the mask, one of the others), a tie being worth ``tied``."""
    values, on, off = maps.flatten(1).double(), masks.flatten(1), others(masks).flatten(1)
    gap = values[:, :, None] - values[:, None, :]
    pairs = on[:, :, None] & off[:, None, :]
    return (((gap > 0) + tied * (gap == 0).double()) * pairs).sum((1, 2)) / pairs.sum((1, 2))


mask_auc = Exercise(
    name="mask_auc",
    task="write fn(maps (N, H, W), masks (N, H, W) bool) -> (N,): for each map the share of all pairs (a pixel on the "
    "mask, a pixel beside it) in which the one on the mask has the higher value. A tie counts half.",
    case=_tied_maps,
    reference=_auc,
    mistakes=(
        Mistake(
            "You counted a tie as lost, so that a constant map would score 0. A tie counts half.",
            lambda m, k: _auc(m, k, tied=0.0),
        ),
        Mistake(
            "You counted a tie as won (>=), so that a constant map would score 1. A tie counts half.",
            lambda m, k: _auc(m, k, tied=1.0),
        ),
        Mistake(
            "You compared the pixels of the mask with all pixels. Compare them with those beside it: maps[~masks].",
            lambda m, k: _auc(m, k, others=torch.ones_like),
        ),
    ),
)


def _delete_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    images = torch.rand(sizes(k), generator=generator)
    # Signed, with many ties: the count ends in the middle of a group of equal values.
    maps = (2 * torch.randn(n, height, width, generator=generator)).round().clamp(-2, 2) / 2
    return images, maps, between(generator, 6, 19), 0.3 + 0.2 * torch.rand(images.shape, generator=generator)


def _last_value(maps: Tensor, count: int) -> Tensor:
    """The value of the pixel that goes last, ``(N, 1, 1)``."""
    return maps.flatten(1).sort(dim=1, descending=True).values[:, count - 1].view(-1, 1, 1)


def _exchanged(gone: Tensor, images: Tensor, baseline: Tensor) -> Tensor:
    return torch.where(gone[:, None], baseline, images)


delete_pixels = Exercise(
    name="delete_pixels",
    task="write fn(images (N, C, H, W), maps (N, H, W), count, baseline (N, C, H, W)) -> (N, C, H, W): the images in "
    "which the count most relevant pixels show the baseline, all channels of a pixel. The maps are signed, and the "
    "highest value goes first. Exactly count pixels go: of tied ones, those that come first row by row.",
    case=_delete_case,
    reference=lambda i, m, n, b: _exchanged(_first(m, n), i, b),
    mistakes=(
        Mistake(
            "Tied pixels go all at once: comparing with the count-th value takes every pixel that equals it, and so "
            "more than count. Sort, and take the first count of the order.",
            lambda i, m, n, b: _exchanged(m >= _last_value(m, n), i, b),
        ),
        Mistake(
            "Of tied pixels you take the last ones. argsort(descending=True, stable=True) leaves them in their order; "
            "reversing an ascending order turns them around.",
            lambda i, m, n, b: _exchanged(_first(m.flip((1, 2)), n).flip((1, 2)), i, b),
        ),
        Mistake(
            "You kept the most relevant pixels and took the others away. That is insertion.",
            lambda i, m, n, b: _exchanged(~_first(m, n), i, b),
        ),
    ),
)
