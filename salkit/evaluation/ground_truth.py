"""How well does a map point at the pixels that are known to matter? One score for each image.

All scores take maps and masks of the same spatial shape:

- ``maps``: ``(N, H, W)``, or with channels ``(N, C, H, W)``; for series ``(N, T)`` or ``(N, C, T)``.
- ``masks``: ``(N, H, W)`` bool (``(N, T)`` for series), True where the evidence is.
- ``signed``: ``"absolute"`` (default): relevance is the absolute value, so evidence for and against the class
  both count. ``"positive"``: relevance is the positive part, so evidence against the class counts nothing.
- Channels are added up after that: the relevance of a pixel is the sum of its channels' relevances.

They return ``(N,)`` float64 on the maps' device (on the CPU for ``mps``, which has no float64), in [0, 1]. An image
whose mask is empty, or whose relevance is zero everywhere or not finite, has no score: NaN.
`salkit.evaluation.mean_interval` drops it and says how many are left. All raise ``InputError`` when shapes or
dtypes don't fit. Where pixels tie, none is preferred for its place in the picture: they share the credit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, require

# Map values worked on at a time: 2 MiB of float64 for each intermediate result, which stay in the cache.
_CHUNK = 2**18


def relevance_mass(maps: Tensor, masks: Tensor, *, signed: str = "absolute") -> Tensor:
    """Share of the map's whole relevance that lies on the mask (Arras et al. 2022, "relevance mass accuracy").

    A map without information scores the mask's share of the picture, so say that beside the number.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> maps = torch.tensor([[[3.0, 0.0], [-1.0, 0.0]]])
        >>> # the upper row
        >>> masks = torch.tensor([[[True, True], [False, False]]])
        >>> evaluation.relevance_mass(maps, masks).item()
        0.75
        >>> evaluation.relevance_mass(maps, masks, signed="positive").item()
        1.0
    """

    def mass(relevance: Tensor, mask: Tensor) -> Tensor:
        return (relevance * mask).sum(1) / relevance.sum(1)

    return _per_image(mass, maps, masks, signed)


def relevance_rank(maps: Tensor, masks: Tensor, *, signed: str = "absolute") -> Tensor:
    """Share of the k most relevant pixels that lie on the mask, k being the mask's size (Arras et al. 2022).

    Pixels tied at the k-th place share the places that are left, so the score is the mean over all ways to
    break the tie: a constant map scores the mask's share of the picture.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> maps = torch.tensor([[[3.0, 0.0], [-1.0, 0.0]]])
        >>> # the upper row
        >>> masks = torch.tensor([[[True, True], [False, False]]])
        >>> # of the two largest, 3 and -1, one is on it
        >>> evaluation.relevance_rank(maps, masks).item()
        0.5
    """

    def rank(relevance: Tensor, mask: Tensor) -> Tensor:
        k = mask.sum(1, keepdim=True)
        threshold = relevance.sort(dim=1, descending=True).values.gather(1, (k - 1).clamp(min=0))
        above, tied = relevance > threshold, relevance == threshold
        places_left = (k - above.sum(1, keepdim=True)).double()
        share = places_left / tied.sum(1, keepdim=True)
        return (((above + tied * share) * mask).sum(1, keepdim=True) / k).squeeze(1)

    return _per_image(rank, maps, masks, signed)


def pointing_game(maps: Tensor, masks: Tensor, *, tolerance: int = 0, signed: str = "absolute") -> Tensor:
    """1 where the most relevant pixel lies on the mask, else 0 (Zhang et al. 2018, "pointing game").

    Pixels tied for the maximum share the point: with two of them, one on the mask, the score is 0.5.

    Args:
        maps, masks, signed: see `salkit.evaluation.ground_truth`.
        tolerance: a point within so many pixels (Euclidean distance) of the mask is a hit as well;
            the paper takes 15 for photographs of several hundred pixels.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> maps = torch.tensor([[[3.0, 0.0], [3.0, 0.0]]])
        >>> # the upper row
        >>> masks = torch.tensor([[[True, True], [False, False]]])
        >>> # two maxima, one of them on it
        >>> evaluation.pointing_game(maps, masks).item()
        0.5
    """
    if tolerance < 0:
        raise InputError(f"tolerance must not be negative, not {tolerance}")

    def hit(relevance: Tensor, mask: Tensor) -> Tensor:
        best = relevance == relevance.amax(1, keepdim=True)
        return (best & mask).sum(1) / best.sum(1).double()

    return _per_image(hit, maps, masks, signed, grow=tolerance)


def mask_auc(maps: Tensor, masks: Tensor, *, signed: str = "absolute") -> Tensor:
    """Area under the ROC curve of the map as a detector of the mask.

    It is the probability that a random pixel on the mask is more relevant than one off it, a tie counting half:
    0.5 for a map without information, whatever the mask's size. A mask that covers everything has no score: NaN.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> maps = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])
        >>> # the upper row
        >>> masks = torch.tensor([[[True, True], [False, False]]])
        >>> # 3 beats 1 and 0; 0 loses to 1 and ties with 0
        >>> evaluation.mask_auc(maps, masks).item()
        0.625
    """

    def auc(relevance: Tensor, mask: Tensor) -> Tensor:
        # Mann-Whitney: for each pixel on the mask, how many of those off it are below, and how many at most equal.
        off = torch.where(mask, torch.inf, relevance).sort(dim=1).values
        beaten = torch.searchsorted(off, relevance) + torch.searchsorted(off, relevance, right=True)
        on = mask.sum(1)
        return (beaten * mask).sum(1).double() / (2 * on * (mask.shape[1] - on))

    return _per_image(auc, maps, masks, signed)


def _per_image(score: Callable, maps: Tensor, masks: Tensor, signed: str, grow: int = 0) -> Tensor:
    """``score(relevance (n, P) float64, mask (n, P) bool) -> (n,)`` over chunks; NaN where nothing is defined."""
    _check(maps, masks, signed)
    maps = maps.detach().cpu() if maps.device.type == "mps" else maps.detach()
    if not len(maps):
        return torch.zeros(0, dtype=torch.float64, device=maps.device)
    step = max(1, _CHUNK // max(1, maps[0].numel()))
    scores = []
    for some_maps, some_masks in zip(maps.split(step), masks.to(maps.device).split(step), strict=True):
        relevance = _relevance(some_maps, some_masks.ndim, signed)
        defined = some_masks.flatten(1).any(1) & relevance.isfinite().all(1) & (relevance > 0).any(1)
        mask = (_dilate(some_masks, grow) if grow else some_masks).flatten(1)
        scores.append(torch.where(defined, score(relevance, mask), torch.nan))
    return torch.cat(scores)


def _relevance(maps: Tensor, mask_ndim: int, signed: str) -> Tensor:
    """Non-negative relevance of each pixel, ``(N, P)`` float64."""
    values = maps.double()
    values = values.abs() if signed == "absolute" else values.clamp(min=0)
    if maps.ndim > mask_ndim:
        values = values.sum(1)
    return values.flatten(1)


def _dilate(masks: Tensor, radius: int) -> Tensor:
    """Every pixel within ``radius`` of the mask; a series is a picture one pixel high."""
    pictures = masks.float().reshape(len(masks), 1, *((1, *masks.shape[1:]) if masks.ndim == 2 else masks.shape[1:]))
    offset = torch.arange(-radius, radius + 1, device=masks.device)
    disc = (offset[:, None] ** 2 + offset[None, :] ** 2 <= radius**2).float()
    return (F.conv2d(pictures, disc[None, None], padding=radius) > 0.5).reshape(masks.shape)


def _check(maps: Tensor, masks: Tensor, signed: str) -> None:
    for name, value in (("maps", maps), ("masks", masks)):
        if not isinstance(value, Tensor):
            hint = ": pick one of " + ", ".join(map(repr, value)) if isinstance(value, dict) else ""
            raise InputError(f"{name} must be a tensor, not a {type(value).__name__}{hint}")
    require("signed", signed, signed in ("absolute", "positive"), "'absolute' or 'positive'")
    if not maps.is_floating_point():
        raise InputError(f"maps must be a floating tensor, not {maps.dtype}")
    if masks.dtype != torch.bool:
        raise InputError(f"masks must be bool, not {masks.dtype}: write `masks > 0`")
    if masks.ndim not in (2, 3):
        raise InputError(f"masks must be (N, H, W), or (N, T) for series, not {tuple(masks.shape)}")
    without_channels = maps.shape if maps.ndim == masks.ndim else (*maps.shape[:1], *maps.shape[2:])
    if maps.ndim not in (masks.ndim, masks.ndim + 1) or tuple(without_channels) != tuple(masks.shape):
        raise InputError(
            f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)} don't fit: there must be one mask for each map, "
            "of the same height and width (enlarge a coarse map with torch.nn.functional.interpolate)"
        )
