"""Exercises about known answers: scores of a map on a mask, and taking the most relevant pixels away."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Exercise


def _masks(generator: torch.Generator) -> Tensor:
    """Four masks of different sizes, (4, 6, 7), none of them empty or full."""
    masks = torch.rand(4, 6, 7, generator=generator) < torch.tensor([0.15, 0.3, 0.5, 0.7]).view(4, 1, 1)
    masks[:, 0, 0], masks[:, 0, 1] = True, False
    return masks


def _rank_case(generator: torch.Generator) -> tuple:
    maps = torch.rand(4, 6, 7, generator=generator) * torch.tensor([0.1, 1.0, 2.0, 5.0]).view(4, 1, 1)
    return maps, _masks(generator)


def _chosen(maps: Tensor, count: Tensor, descending: bool = True) -> Tensor:
    """Which pixels are among the first ``count`` (N,) of each map, ``(N, H, W)`` bool; ties in reading order."""
    order = maps.flatten(1).argsort(dim=1, descending=descending, stable=True)
    place = order.argsort(dim=1)
    return (place < count[:, None]).view(maps.shape)


def _size(masks: Tensor) -> Tensor:
    return masks.sum((1, 2))


def _on(chosen: Tensor, masks: Tensor) -> Tensor:
    return (chosen & masks).sum((1, 2))


def _rank(maps: Tensor, masks: Tensor) -> Tensor:
    return _on(_chosen(maps, _size(masks)), masks) / _size(masks)


def _same_k(maps: Tensor, masks: Tensor, k: int) -> Tensor:
    return _on(_chosen(maps, torch.full((len(maps),), k)), masks) / k


relevance_rank = Exercise(
    name="relevance_rank",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): of each map's k most relevant pixels, the share "
    "that lies on its mask, where k is the size of this mask in pixels.",
    case=_rank_case,
    reference=_rank,
    mistakes=(
        (
            "You took the same k for all maps, the mean size of the masks. Each map has its own mask, and its own k.",
            lambda m, k: _same_k(m, k, int(_size(k).float().mean())),
        ),
        (
            "You took the size of the first mask for all maps. Each map has its own k.",
            lambda m, k: _same_k(m, k, int(_size(k)[0])),
        ),
        (
            "You took the tenth of the pixels with the highest values. Take as many as the mask has.",
            lambda m, k: _same_k(m, k, m[0].numel() // 10),
        ),
        (
            "You took the least relevant pixels: sort in descending order.",
            lambda m, k: _on(_chosen(m, _size(k), descending=False), k) / _size(k),
        ),
        (
            "You took one pixel too few: the k-th itself belongs to the k most relevant, so compare with >=.",
            lambda m, k: _on(_chosen(m, _size(k) - 1), k) / _size(k),
        ),
        (
            "You ranked the pixels of the whole batch together: a map of large values then crowds out the others.",
            lambda m, k: _on(_chosen(m.reshape(1, -1, 1), k.sum()[None]).view(m.shape), k) / _size(k),
        ),
        (
            "That is intersection over union. Divide the pixels that are on the mask by k.",
            lambda m, k: _on(_chosen(m, _size(k)), k) / (2 * _size(k) - _on(_chosen(m, _size(k)), k)),
        ),
        (
            "You weighed the k pixels by their values. Only their number counts here.",
            lambda m, k: (m * (_chosen(m, _size(k)) & k)).sum((1, 2)) / (m * _chosen(m, _size(k))).sum((1, 2)),
        ),
        (
            "That is the share of the relevance on the mask. Here only the order of the pixels counts.",
            lambda m, k: (m * k).sum((1, 2)) / m.sum((1, 2)),
        ),
        ("You counted the pixels: divide by k.", lambda m, k: _on(_chosen(m, _size(k)), k)),
        (
            "You divided by the number of all pixels. Divide by k.",
            lambda m, k: _on(_chosen(m, _size(k)), k) / m[0].numel(),
        ),
        ("That is the share beside the mask.", lambda m, k: 1 - _rank(m, k)),
        ("You returned the mean over the batch: one share for each map is wanted.", lambda m, k: _rank(m, k).mean()),
    ),
)


def _auc_case(generator: torch.Generator) -> tuple:
    # Few different values, so that many pixels tie, as in a map with a ReLU at its end.
    maps = (3 * torch.rand(4, 6, 7, generator=generator)).floor() * torch.tensor([0.1, 1.0, 2.0, 5.0]).view(4, 1, 1)
    return maps, _masks(generator)


def _auc(won: float = 1.0, tied: float = 0.5, against_all: bool = False) -> Callable:
    """Mean over the pairs (a pixel on the mask, one beside it) of what a win and a tie of the first are worth."""

    def auc(maps: Tensor, masks: Tensor) -> Tensor:
        values, mask = maps.flatten(1).double(), masks.flatten(1)
        on, off = values[:, :, None], values[:, None, :]
        worth = won * (on > off).double() + (1 - won) * (on < off).double() + tied * (on == off).double()
        pairs = mask[:, :, None] & (torch.ones_like(mask) if against_all else ~mask)[:, None, :]
        return (worth * pairs).sum((1, 2)) / pairs.sum((1, 2))

    return auc


def _one_by_one(maps: Tensor, masks: Tensor) -> Tensor:
    """The k-th pixel of the mask against the k-th beside it."""
    wins = []
    for values, mask in zip(maps, masks, strict=True):
        n = min(int(mask.sum()), int((~mask).sum()))
        wins.append((values[mask][:n] > values[~mask][:n]).double().mean())
    return torch.stack(wins)


def _above_the_mean(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of the mask's pixels that are above the mean beside it."""
    beside = (maps * ~masks).sum((1, 2)) / (~masks).sum((1, 2))
    return ((maps > beside[:, None, None]) & masks).sum((1, 2)).double() / _size(masks)


mask_auc = Exercise(
    name="mask_auc",
    task="write fn(maps (N, H, W), masks (N, H, W) bool) -> (N,): for each map the share of all pairs (a pixel on the "
    "mask, a pixel beside it) in which the one on the mask has the higher value. A tie counts half.",
    case=_auc_case,
    reference=_auc(),
    mistakes=(
        (
            "You counted a tie as lost, so that a constant map would score 0. A tie counts half.",
            _auc(tied=0.0),
        ),
        (
            "You counted a tie as won (>=), so that a constant map would score 1. A tie counts half.",
            _auc(tied=1.0),
        ),
        ("You counted the pairs that the pixel beside the mask wins.", _auc(won=0.0)),
        (
            "You compared the pixels of the mask with all pixels. Compare them with those beside it: maps[~masks].",
            _auc(against_all=True),
        ),
        (
            "You compared pixel by pixel, one of each. Every pixel on the mask meets every pixel beside it: "
            "on[:, None] > off[None, :].",
            _one_by_one,
        ),
        (
            "You compared with the mean beside the mask. Compare with every single pixel there.",
            _above_the_mean,
        ),
        (
            "You took the batch together: one number for each map is wanted, from its own pixels only.",
            lambda m, k: _auc()(m.reshape(1, 1, -1), k.reshape(1, 1, -1)).expand(len(m)),
        ),
        ("You returned the mean over the batch: one number for each map is wanted.", lambda m, k: _auc()(m, k).mean()),
        ("You returned a percentage. A share lies in [0, 1].", lambda m, k: 100 * _auc()(m, k)),
    ),
)


def _delete_case(generator: torch.Generator) -> tuple:
    images = torch.rand(4, 3, 6, 7, generator=generator)
    baseline = 0.3 + 0.2 * torch.rand(4, 3, 6, 7, generator=generator)
    # Signed, with many ties: the count ends in the middle of a group of equal values.
    maps = (2 * torch.randn(4, 6, 7, generator=generator)).round().clamp(-2, 2) / 2
    count = int(torch.randint(6, 20, (), generator=generator))
    return images, maps, count, baseline


def _exchange(choose: Callable[[Tensor, int], Tensor]) -> Callable:
    """Images whose chosen pixels, ``choose(maps, count) -> (N, H, W)`` bool, show the baseline."""
    return lambda images, maps, count, baseline: torch.where(choose(maps, count)[:, None], baseline, images)


def _first(maps: Tensor, count: int, descending: bool = True) -> Tensor:
    return _chosen(maps, torch.full((len(maps),), count), descending)


def _reversed_ties(maps: Tensor, count: int) -> Tensor:
    return _first(maps.flatten(1).flip(1).view(maps.shape), count).flatten(1).flip(1).view(maps.shape)


def _last_place(maps: Tensor, count: int) -> Tensor:
    """The value of the pixel that goes last, ``(N, 1, 1)``."""
    return maps.flatten(1).sort(dim=1, descending=True).values[:, count - 1].view(-1, 1, 1)


delete_pixels = Exercise(
    name="delete_pixels",
    task="write fn(images (N, C, H, W), maps (N, H, W), count, baseline (N, C, H, W)) -> (N, C, H, W): the images in "
    "which the count most relevant pixels show the baseline, all channels of a pixel. The maps are signed, and the "
    "highest value goes first. Exactly count pixels go: of tied ones, those that come first row by row.",
    case=_delete_case,
    reference=_exchange(_first),
    mistakes=(
        (
            "Tied pixels go all at once: comparing with the count-th value takes every pixel that equals it, and so "
            "more than count. Sort, and take the first count of the order.",
            _exchange(lambda m, n: m >= _last_place(m, n)),
        ),
        (
            "Pixels that tie with the count-th stay, so that fewer than count go. Sort, and take the first count of "
            "the order.",
            _exchange(lambda m, n: m > _last_place(m, n)),
        ),
        (
            "Of tied pixels you take the last ones. argsort(descending=True, stable=True) leaves them in their order; "
            "reversing an ascending order turns them around.",
            _exchange(_reversed_ties),
        ),
        ("You took the least relevant pixels away: sort in descending order.", _exchange(lambda m, n: _first(-m, n))),
        (
            "You ordered by the absolute value. The maps are signed, and what speaks against the class goes last.",
            _exchange(lambda m, n: _first(m.abs(), n)),
        ),
        (
            "You kept the most relevant pixels and took the others away. That is insertion.",
            _exchange(lambda m, n: ~_first(m, n)),
        ),
        (
            "You put black in the place of the pixels. It is the baseline that should show.",
            lambda i, m, n, b: torch.where(_first(m, n)[:, None], 0.0, i),
        ),
        (
            "You changed the first channel only. A pixel goes with all its channels.",
            lambda i, m, n, b: torch.where(_first(m, n)[:, None] & (torch.arange(3) == 0).view(1, 3, 1, 1), b, i),
        ),
        (
            "You ranked the pixels of the whole batch together. Each image loses count pixels of its own.",
            _exchange(lambda m, n: _first(m.reshape(1, -1, 1), n * len(m)).view(m.shape)),
        ),
        ("One pixel too few is gone.", _exchange(lambda m, n: _first(m, n - 1))),
        ("One pixel too many is gone.", _exchange(lambda m, n: _first(m, n + 1))),
        ("You returned the images as they came.", lambda i, m, n, b: i),
    ),
)
