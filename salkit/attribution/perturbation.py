"""Methods that hide parts of the input and watch the score. They need forward passes only."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import targets
from .._state import untouched
from ..errors import InputError, SalkitWarning, require
from .core import (
    classes_of,
    copies,
    first_look,
    generator_of,
    quickest,
    repeat,
    rows_in_one_pass,
    score,
    slices,
    spread,
    warn_of_holes,
    wide,
)
from .incremental import Incremental


def occlusion(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    window: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    baseline: float | Tensor = 0.5,
    probability: bool = False,
    batch_size: int | None = None,
) -> Tensor:
    r"""How much the score drops when a window hides a part of the input (Zeiler and Fergus 2014, section 4.2).

    .. math:: R_p = \operatorname{mean}_{w \ni p} \left( S_c(x) - S_c(x \text{ without } w) \right)

    A window hides all channels. Windows start at multiples of the stride; those at the far edge are cut off there,
    so every pixel is covered, and overlapping windows are averaged.

    Args:
        model, target: as for `gradient`. The class is chosen once, on the whole input.
        inputs: ``(N, C, H, W)``, ``(N, C, T)``, ``(N, C, D, H, W)``, or ``(N, F)``, where each feature is a place.
        window: side lengths in pixels, one for all axes or one for each; ``None``: an eighth of each axis.
        stride: the steps, likewise, at most the window; ``None``: half of the window.
        baseline: what the window shows, in the inputs' units: 0.5 is grey for images in [0, 1].
            A number, or a tensor that broadcasts to the inputs.
        probability: explain the probability (softmax, or sigmoid of a single logit) instead of the logit.
        batch_size: hidden copies in one pass; ``None`` picks a number that suits the device.

    Returns:
        In the inputs' shape and dtype, signed (positive where hiding hurts), detached; equal in all channels.

    Raises:
        InputError, TargetError: see `gradient`; also a window or stride that doesn't fit the inputs.

    Warns:
        SalkitWarning: the largest drop of a sample is a few roundings of its score, or is lost in half precision.
            Or a map holds NaN or infinity.

    Example:
        >>> import torch
        >>> from salkit import course, occlusion
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> occlusion(model, image, 0, window=1, baseline=0.0)[0, 0]
        tensor([[0.0000, 0.0000, 0.0000, 0.0000],
                [0.1250, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000]])
    """
    with untouched(model, inputs) as x, torch.no_grad():
        target = targets.check(target, len(x))
        grid = _grid(x)
        places = _windows(grid, window, stride)
        cover = spread(baseline, x)
        rows = rows_in_one_pass(x, batch_size)
        how = targets.probability if probability else targets.score
        target, scores = first_look(model, x, target, rows, how)
        drops = torch.zeros(len(x), *grid, dtype=wide(x.dtype), device=x.device)
        counts = torch.zeros_like(drops[0])
        largest = torch.zeros(len(x), dtype=drops.dtype, device=x.device)
        passes = Incremental(model, x)
        for part in slices(len(x), 1 if passes.on else rows):
            whole, mine = x[part], targets.take(target, part)
            passes.start(whole)
            for which in copies(len(whole), len(places), rows):
                masks = _masks(places[which], grid, x.device)
                over = masks[:, None, None] if x.ndim > 2 else masks[:, None]  # (windows, sample, channel, *grid)
                hidden = quickest(model, torch.where(over, cover[part], whole).flatten(0, 1))
                left = score(model, hidden, repeat(mine, len(masks)), how, run=passes.run_on(places[which]))
                left = left.unflatten(0, (len(masks), -1))
                drop = scores[part].to(drops.dtype) - left.to(drops.dtype)
                largest[part] = torch.maximum(largest[part], drop.abs().amax(0))
                drops[part] += torch.einsum("mn,m...->n...", drop, masks.to(drops.dtype))
                if part.start == 0:
                    counts += masks.sum(0)
        warn_of_holes(drops, None if callable(target) else scores.split(rows))
        _warn_of_rounding(largest, scores, (cover != x).flatten(1).any(1), x.dtype)
        return _in_every_channel(drops / counts, x)


def rise(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    n_masks: int = 1000,
    cells: int = 7,
    keep: float = 0.5,
    baseline: float | Tensor = 0.0,
    probability: bool = False,
    seed: int = 0,
    batch_size: int | None = None,
) -> Tensor:
    r"""The mean of random soft masks, each weighed by the score it leaves (Petsiuk et al. 2018, eq. 6).

    .. math:: R_p = \frac{1}{n \, q} \sum_{k=1}^{n} (s_k - \bar{s}) \, M_k(p), \quad
        s_k = S_c(x \odot M_k + x' \odot (1 - M_k))

    The paper weighs by probabilities, from which nothing is subtracted (:math:`\bar{s} = 0`): ``probability=True``.
    The level of a logit means nothing, and would drown the map, so of logits the mean :math:`\bar{s}` is taken off.

    A mask is a coarse grid of cells, each kept with probability :math:`q`, enlarged smoothly and shifted at random.
    Every sample of the batch sees the same masks, drawn from ``seed`` alone.

    Args:
        model, target: as for `gradient`. The class is chosen once, on the whole input.
        inputs: ``(N, C, H, W)``, ``(N, C, T)``, or volumes ``(N, C, D, H, W)``.
        n_masks: number of masks. The map's noise falls with its square root.
        cells: cells of the grid along each axis.
        keep: :math:`q`, in (0, 1].
        baseline: :math:`x'`, what hidden places show, in the inputs' units (the paper: 0).
        probability: the paper's map, weighed by the probability of the class, instead of by its logit.
        seed: of the masks. The global random state is neither used nor changed.
        batch_size: masked copies in one pass; ``None`` picks a number that suits the device.

    Returns:
        In the inputs' shape and dtype, detached; equal in all channels. Signed; not negative for probabilities.

    Raises:
        InputError, TargetError: see `gradient`; also an option out of range.

    Warns:
        SalkitWarning: a map holds NaN or infinity.

    Example:
        >>> import torch
        >>> from salkit import course, rise
        >>> model, image = course.HandWired(size=8), torch.zeros(1, 3, 8, 8)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 5, 1] = 1
        >>> map = rise(model, image, 0, n_masks=500)[0, 0]
        >>> # one place off: the masks are coarse
        >>> divmod(map.argmax().item(), 8)
        (5, 0)
    """
    with untouched(model, inputs) as x, torch.no_grad():
        target = targets.check(target, len(x))
        _check_masks(x, n_masks, cells, keep)
        cover = spread(baseline, x)
        rows = rows_in_one_pass(x, batch_size)
        how = targets.probability if probability else targets.score
        given, target = target, classes_of(model, x, target, rows)
        maps = torch.zeros(len(x), *_grid(x), dtype=wide(x.dtype), device=x.device)
        for part in slices(len(x), rows):
            whole, mine = x[part], targets.take(target, part)
            total = torch.zeros(len(whole), dtype=maps.dtype, device=x.device)
            level = torch.zeros_like(total)
            sum_of_masks = torch.zeros_like(maps[0])
            generator = generator_of(seed)
            for which in copies(len(whole), n_masks, rows):
                masks = [_soft_mask(_grid(x), cells, keep, generator) for _ in range(which.stop - which.start)]
                masks = torch.stack(masks).to(x)[:, None, None]  # (masks, sample, channel, *grid)
                kept = cover[part] + masks * (whole - cover[part])
                first = given is not None and part.start == which.start == 0
                rows_of = quickest(model, kept.flatten(0, 1))
                found = score(model, rows_of, repeat(mine, len(kept)), how, first=first, whole=target)
                found, masks = found.unflatten(0, (len(kept), -1)).to(maps.dtype), masks[:, 0, 0].to(maps.dtype)
                if which.start == 0 and not probability:
                    level = found[0]  # the sums keep the digits that a high level would take
                found = found - level
                maps[part] += torch.einsum("mn,m...->n...", found, masks)
                total += found.sum(0)
                sum_of_masks += masks.sum(0)
            if not probability:
                maps[part] -= torch.einsum("n,...->n...", total / n_masks, sum_of_masks)
        warn_of_holes(maps)
        return _in_every_channel(maps / (n_masks * keep), x)


def _warn_of_rounding(largest: Tensor, scores: Tensor, changed: Tensor, dtype: torch.dtype) -> None:
    """Nothing at all is an answer of a model in full precision; in half precision it may be lost in the score."""
    share = largest / scores.abs().to(largest.dtype)
    eps = torch.finfo(dtype).eps
    lost = changed & (share < 4 * eps) & ((largest > 0) | (dtype.itemsize < 4))
    if lost.any():
        warnings.warn(
            f"hiding changes the score by at most {share[lost].max():.1g} of it in {int(lost.sum())} of {len(lost)} "
            f"samples, and {dtype} rounds it to {eps:.1g} of it: the map is mostly rounding, so use a wider dtype or "
            "a larger window",
            SalkitWarning,
            stacklevel=3,
        )


def _soft_mask(grid: tuple[int, ...], cells: int, keep: float, generator: torch.Generator) -> Tensor:
    """One mask with values in [0, 1], in the shape of the grid: enlarged by one cell too much, then cropped."""
    coarse = (torch.rand([cells] * len(grid), generator=generator, dtype=torch.float32) < keep).float()
    cell = [math.ceil(size / cells) for size in grid]
    fine = F.interpolate(
        coarse[None, None],
        [(cells + 1) * side for side in cell],
        mode={1: "linear", 2: "bilinear", 3: "trilinear"}[len(grid)],
        align_corners=False,
    )[0, 0]
    for axis, (side, size) in enumerate(zip(cell, grid)):
        fine = fine.narrow(axis, int(torch.randint(0, side, (), generator=generator)), size)
    return fine


def _grid(x: Tensor) -> tuple[int, ...]:
    """The places of an input: its axes after the channels, or its features where there are no channels."""
    return tuple(x.shape[2:] or x.shape[1:])


def _in_every_channel(maps: Tensor, x: Tensor) -> Tensor:
    maps = maps.to(x.dtype)
    return maps if x.ndim == 2 else maps[:, None].expand_as(x).contiguous()


def _windows(grid: tuple[int, ...], window, stride) -> list[tuple[slice, ...]]:
    """The windows as slices along each axis; they cover the grid."""
    sides = [max(1, size // 8) for size in grid] if window is None else _one_each("window", window, grid)
    steps = [max(1, side // 2) for side in sides] if stride is None else _one_each("stride", stride, grid)
    for side, step, size in zip(sides, steps, grid):
        if side > size:
            raise InputError(f"a window of {side} does not fit into an axis of {size}")
        if step > side:
            raise InputError(f"a stride of {step} would leave gaps between windows of {side}")
    along_each_axis = [
        [slice(start, min(start + side, size)) for start in range(0, step * math.ceil((size - side) / step) + 1, step)]
        for side, step, size in zip(sides, steps, grid)
    ]
    return list(itertools.product(*along_each_axis))


def _masks(places: Sequence[tuple[slice, ...]], grid: tuple[int, ...], device) -> Tensor:
    """``(windows, *grid)`` bool, true where the window is."""
    masks = torch.zeros(len(places), *grid, dtype=torch.bool)
    for mask, place in zip(masks, places):
        mask[place] = True
    return masks.to(device)


def _one_each(name: str, value, grid: tuple[int, ...]) -> list[int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value] * len(grid)
    fits = len(values) == len(grid) and all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values)
    require(name, value, fits, f"a positive int, or one for each of the {len(grid)} axes")
    return values


def _check_masks(x: Tensor, n_masks: int, cells: int, keep: float) -> None:
    if x.ndim not in (3, 4, 5):
        raise InputError(f"RISE needs inputs with one to three axes after the channels, not {tuple(x.shape)}")
    for name, value in (("n_masks", n_masks), ("cells", cells)):
        require(name, value, isinstance(value, int) and not isinstance(value, bool) and value >= 1, "a positive int")
    if not (isinstance(keep, Real) and 0 < keep <= 1):
        raise InputError(f"keep must lie in (0, 1], not {keep!r}")
