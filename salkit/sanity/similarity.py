"""How alike are two maps? Rank correlation, structural similarity, histograms of oriented gradients.

All compare ``a[i]`` with ``b[i]`` and return ``(N,)`` float64 on the maps' device (on the CPU for ``mps``, which has
no float64). A constant map has nothing to
compare: NaN, for every measure, so a dead map never looks "unchanged". A map with a NaN or an infinity: NaN too.
All raise ``InputError`` when shapes or dtypes don't fit.

Reference: Adebayo et al., "Sanity Checks for Saliency Maps" (2018), section 4.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, require

# Map values worked on at a time: 2 MiB of float64 for each intermediate result, which stay in the cache.
_CHUNK = 2**18

# Wang et al. (2004) as in scikit-image: side of the uniform window, and the two constants.
_WINDOW = 7
_K1, _K2 = 0.01, 0.03


def spearman(a: Tensor, b: Tensor, *, absolute: bool = False) -> Tensor:
    """Spearman's rank correlation of each pair of maps: Pearson's correlation of the ranks.

    Args:
        a, b: ``(N, ...)``, all axes but the first flattened. Reduce channels first for one rank a pixel.
        absolute: compare the absolute values, for maps whose sign you'd ignore when you look at them.

    Returns:
        ``(N,)`` in [-1, 1], equal to ``scipy.stats.spearmanr`` also where values tie (midranks).

    Example:
        >>> import torch
        >>> from salkit import sanity
        >>> a = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        >>> round(sanity.spearman(a, a**2).item(), 6), round(sanity.spearman(a, -a).item(), 6)
        (1.0, -1.0)
        >>> round(sanity.spearman(a, -a, absolute=True).item(), 6)
        1.0
    """
    a, b = _pair(a, b, absolute)
    return _in_chunks(lambda x, y: _pearson(midranks(x), midranks(y)), a.flatten(1), b.flatten(1))


def spearman_by_rank_difference(a: Tensor, b: Tensor, *, absolute: bool = False) -> Tensor:
    """Spearman's correlation by the textbook's shortcut, ``1 - 6 sum(d^2) / (n (n^2 - 1))``.

    Right only where no two values of a map tie; with ties it is off, and `spearman` is not. It is here to
    show that. Arguments and result as there, but NaN only for constant and non-finite maps.

    Example:
        >>> import torch
        >>> from salkit import sanity
        >>> a, b = torch.tensor([[0.0, 0.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0, 3.0]])
        >>> round(sanity.spearman(a, b).item(), 3)
        0.775
        >>> round(sanity.spearman_by_rank_difference(a, b).item(), 3)
        0.8
    """

    def rho(x: Tensor, y: Tensor) -> Tensor:
        n = x.shape[1]
        return 1 - 6 * (midranks(x) - midranks(y)).square().sum(1) / (n * (n**2 - 1))

    a, b = _pair(a, b, absolute)
    return _in_chunks(rho, a.flatten(1), b.flatten(1))


def ssim(a: Tensor, b: Tensor, *, data_range: float) -> Tensor:
    """Mean structural similarity of each pair of two-dimensional maps (Wang et al. 2004).

    Args:
        a, b: ``(N, H, W)`` or ``(N, 1, H, W)``, at least 7 x 7 pixels; more than one channel is refused.
        data_range: distance from the smallest to the largest value that a map could have: 1 for maps normalised
            to [0, 1], 2 for [-1, 1]. It has no default because the result hangs on it.

    Returns:
        ``(N,)`` in [-1, 1], equal to ``skimage.metrics.structural_similarity(a[i], b[i], data_range=data_range)``.

    Example:
        >>> import torch
        >>> from salkit import sanity
        >>> a = torch.linspace(0, 1, 64).reshape(1, 8, 8)
        >>> round(sanity.ssim(a, a, data_range=1.0).item(), 2)
        1.0
        >>> round(sanity.ssim(a, 1 - a, data_range=1.0).item(), 2)
        -0.95
    """
    require("data_range", data_range, data_range > 0, "positive")
    a, b = map(_plane, _pair(a, b))
    if min(a.shape[1:]) < _WINDOW:
        raise InputError(f"ssim needs maps of at least {_WINDOW} x {_WINDOW} pixels, not {tuple(a.shape[1:])}")

    def local_mean(x: Tensor) -> Tensor:
        columns = F.avg_pool2d(x[:, None], (_WINDOW, 1), stride=1)  # one axis after the other: 14 sums, not 49
        return F.avg_pool2d(columns, (1, _WINDOW), stride=1)[:, 0]

    def mean_ssim(x: Tensor, y: Tensor) -> Tensor:
        mean_x, mean_y = local_mean(x), local_mean(y)
        sample = _WINDOW**2 / (_WINDOW**2 - 1)  # variances of a sample: divided by n - 1
        var_x = sample * (local_mean(x * x) - mean_x**2)
        var_y = sample * (local_mean(y * y) - mean_y**2)
        cov = sample * (local_mean(x * y) - mean_x * mean_y)
        c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        structure = (2 * cov + c2) / (var_x + var_y + c2)
        return (luminance * structure).mean((1, 2))

    return _in_chunks(mean_ssim, a, b)


def hog_similarity(
    a: Tensor, b: Tensor, *, pixels_per_cell: int = 8, cells_per_block: int = 3, orientations: int = 9
) -> Tensor:
    """Pearson's correlation between the histograms of oriented gradients of each pair of maps (Dalal, Triggs 2005).

    Args:
        a, b: ``(N, H, W)`` or ``(N, 1, H, W)``, with room for one block: 24 x 24 pixels with the defaults.
        pixels_per_cell, cells_per_block, orientations: as for ``skimage.feature.hog``, which computes them.
            Adebayo et al. take cells of 16 pixels for pictures of 224.

    Example:
        >>> import torch
        >>> from salkit import sanity
        >>> # stripes
        >>> upright = (torch.arange(32) % 8 < 4).float().expand(1, 32, 32)
        >>> round(sanity.hog_similarity(upright, 0.5 * upright).item(), 2)
        1.0
        >>> round(sanity.hog_similarity(upright, upright.transpose(1, 2)).item(), 2)
        -0.13
    """
    from skimage.feature import hog

    a, b = map(_plane, _pair(a, b))
    smallest = pixels_per_cell * cells_per_block
    if min(a.shape[1:]) < smallest:
        raise InputError(
            f"maps of {tuple(a.shape[1:])} pixels have no room for a block of {smallest} x {smallest}: "
            "make pixels_per_cell or cells_per_block smaller"
        )

    def descriptors(maps: Tensor) -> Tensor:
        rows = [
            hog(m, orientations, (pixels_per_cell,) * 2, (cells_per_block,) * 2) for m in maps.cpu().double().numpy()
        ]
        return torch.from_numpy(np.stack(rows)).to(maps.device)

    return _in_chunks(lambda x, y: _pearson(descriptors(x), descriptors(y)), a, b)


def midranks(values: Tensor) -> Tensor:
    """Rank of each value in its row, from 1; tied values share the mean of their ranks.

    Args:
        values: ``(N, P)``.

    Returns:
        ``(N, P)`` float64, equal to ``scipy.stats.rankdata(values, axis=1)``. A row with a NaN has no order,
        and its ranks mean nothing.

    Example:
        >>> import torch
        >>> from salkit import sanity
        >>> sanity.midranks(torch.tensor([[5.0, 7.0, 5.0, 9.0]]))
        tensor([[1.5000, 3.0000, 1.5000, 4.0000]], dtype=torch.float64)
    """
    ordered, order = values.sort(dim=1)
    position = torch.arange(values.shape[1], device=values.device).expand_as(order)
    # A run of equal values starts where the value changes, and ends just before the next run starts.
    new_run = torch.ones_like(ordered, dtype=torch.bool)
    new_run[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = torch.where(new_run, position, 0).cummax(dim=1).values
    run_ends = torch.ones_like(new_run)
    run_ends[:, :-1] = new_run[:, 1:]
    last = torch.where(run_ends, position, values.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    return torch.empty_like(ordered, dtype=torch.float64).scatter_(1, order, (first + last).double() / 2 + 1)


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    """Correlation of the rows; a constant row gives 0 / 0, which is NaN."""
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    r = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))
    return r.clamp(-1, 1)


def _pair(a: Tensor, b: Tensor, absolute: bool = False) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or a.ndim < 2:
        raise InputError(f"two batches of maps of the same shape are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise InputError(f"maps must be floating tensors, not {a.dtype} and {b.dtype}")
    device = "cpu" if a.device.type == "mps" else a.device
    a, b = a.detach().to(device), b.detach().to(device)
    return (a.abs(), b.abs()) if absolute else (a, b)


def _plane(maps: Tensor) -> Tensor:
    if maps.ndim == 4 and maps.shape[1] == 1:
        maps = maps[:, 0]
    if maps.ndim != 3:
        raise InputError(
            f"maps must be (N, H, W) or (N, 1, H, W), not {tuple(maps.shape)}: reduce the channels first, "
            "for example with maps.abs().amax(1)"
        )
    return maps


def _in_chunks(measure, a: Tensor, b: Tensor) -> Tensor:
    """``measure(x, y) -> (n,)`` of chunks of pairs, in float64; NaN where a map is constant or not finite."""
    if not len(a):
        return torch.zeros(0, dtype=torch.float64, device=a.device)
    step = max(1, _CHUNK // max(1, a[0].numel()))
    results = []
    for x, y in zip(a.split(step), b.split(step), strict=True):
        results.append(torch.where(_varies(x) & _varies(y), measure(x.double(), y.double()), torch.nan))
    return torch.cat(results)


def _varies(maps: Tensor) -> Tensor:
    rows = maps.flatten(1)
    return rows.isfinite().all(1) & (rows != rows[:, :1]).any(1)
