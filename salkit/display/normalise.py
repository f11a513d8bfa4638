"""From a signed attribution to numbers that can be painted: one channel, one scale for each map."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError

# How C values at one pixel become one. The first three keep nothing of the sign.
REDUCTIONS = {
    "max_abs": lambda maps: maps.abs().amax(1),
    "mean_abs": lambda maps: maps.abs().mean(1),
    "norm": lambda maps: torch.linalg.vector_norm(maps, dim=1),
    "max": lambda maps: maps.amax(1),
    "sum": lambda maps: maps.sum(1),
}
UNSIGNED = ("max_abs", "mean_abs", "norm")


def reduce_channels(maps: Tensor, channel: str = "max_abs") -> Tensor:
    """One value for each pixel, not yet normalised.

    Args:
        maps: ``(N, C, H, W)``.
        channel: ``"max_abs"``, the largest magnitude (Simonyan et al. 2013, section 3.1); ``"mean_abs"``;
            ``"norm"``, the Euclidean length; ``"max"``, the largest signed value; or ``"sum"``, the signed sum.

    Returns:
        ``(N, H, W)``, float64 on the CPU.

    Raises:
        InputError: another shape or an unknown ``channel``; NaN or infinity in a map.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> # two channels of two pixels
        >>> maps = torch.tensor([[[[1.0, -4.0]], [[2.0, 0.0]]]])
        >>> display.reduce_channels(maps), display.reduce_channels(maps, "sum")
        (tensor([[[2., 4.]]], dtype=torch.float64), tensor([[[ 3., -4.]]], dtype=torch.float64))
    """
    maps = _finite(maps)
    if maps.ndim != 4 or not maps.shape[1]:
        raise InputError(f"maps must be (N, C, H, W) to reduce their channels, not {tuple(maps.shape)}")
    if channel not in REDUCTIONS:
        raise InputError(f"channel must be one of {', '.join(REDUCTIONS)}, not {channel!r}")
    return REDUCTIONS[channel](maps)


def heatmap(
    maps: Tensor, channel: str | None = None, *, signed: bool = False, percentile: float | None = None
) -> Tensor:
    """Maps for the eye: channels reduced, then every map scaled on its own, never together with its batch.

    Unsigned, a map goes to [0, 1] by ``(m - min m) / (max m - min m)``. Signed, it goes to [-1, 1] by
    ``m / max |m|``, so that zero stays zero. A constant map has nothing to show and becomes zeros
    (signed, only the map of zeros does: any other constant is all of one sign, and that is worth seeing).

    ``heatmap(gradient(model, inputs))`` is the saliency map of Simonyan et al. 2013.

    Args:
        maps: ``(N, C, H, W)``, or ``(N, H, W)``, which has been reduced before and is scaled as it is.
        channel: see `reduce_channels`. By default ``"max_abs"``, or ``"sum"`` when ``signed``.
        signed: keep the sign.
        percentile: let this percentile of the values (signed: of the magnitudes) be the upper end of the scale
            in place of the largest, so that one extreme pixel doesn't darken the rest; what lies above is cut off.
            Ignored for a map that would lose everything, because so few of its pixels differ.

    Returns:
        ``(N, H, W)``, float32 on the CPU.

    Raises:
        InputError: wrong shape or option; NaN or infinity in a map; ``signed`` with a channel rule that drops the sign.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> # two channels of two pixels
        >>> maps = torch.tensor([[[[1.0, -4.0]], [[2.0, 0.0]]]])
        >>> display.heatmap(maps), display.heatmap(maps, signed=True)
        (tensor([[[0., 1.]]]), tensor([[[ 0.7500, -1.0000]]]))
    """
    if percentile is not None and not 0 < percentile <= 100:
        raise InputError(f"percentile must be over 0 and at most 100, not {percentile}")
    if signed and channel in UNSIGNED:
        raise InputError(f"channel={channel!r} drops the sign: for a signed heat-map use 'sum' or 'max'")
    maps = _finite(maps)
    if maps.ndim == 4:
        maps = reduce_channels(maps, channel or ("sum" if signed else "max_abs"))
    elif maps.ndim != 3:
        raise InputError(f"maps must be (N, C, H, W) or (N, H, W), not {tuple(maps.shape)}")
    elif channel is not None:
        maps = reduce_channels(maps[:, None], channel)
    if not maps.numel():
        return maps.float()

    # First to [-1, 1]: the difference of two huge values would overflow.
    flat = _divide(maps.flatten(1), maps.flatten(1).abs().amax(1, keepdim=True))
    if signed:
        top = _upper_end(flat.abs(), percentile, torch.zeros_like(flat[:, :1]))
        flat = _divide(flat, top).clamp(-1, 1)
    else:
        low = flat.amin(1, keepdim=True)
        flat = _divide(flat - low, _upper_end(flat, percentile, low) - low).clamp(0, 1)
    return flat.view_as(maps).float()


def raw_range(maps: Tensor) -> Tensor:
    """The smallest and the largest value of each map, ``(N, 2)``: what a normalised picture no longer tells.

    Args:
        maps: ``(N, ...)``.

    Raises:
        InputError: NaN or infinity in a map, or maps without values.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> display.raw_range(torch.tensor([[[-0.5, 2.0]], [[0.0, 1.0]]]))
        tensor([[-0.5000,  2.0000],
                [ 0.0000,  1.0000]], dtype=torch.float64)
    """
    maps = _finite(maps)
    if maps.ndim < 2 or not maps[:1].numel():
        raise InputError(f"maps must be (N, ...) with at least one value each, not {tuple(maps.shape)}")
    return torch.stack([maps.flatten(1).amin(1), maps.flatten(1).amax(1)], dim=1)


def _finite(maps) -> Tensor:
    """The maps as float64 on the CPU, once it is sure that they can be drawn."""
    maps = torch.as_tensor(maps).detach().cpu()
    if maps.is_complex():
        raise InputError("maps must be real numbers, not complex ones")
    maps = maps.double()
    if maps.ndim and maps.numel():
        broken = (~maps.isfinite()).flatten(1).any(1) if maps.ndim > 1 else ~maps.isfinite()
        if broken.any():
            raise InputError(
                f"map {int(broken.nonzero()[0, 0])} holds NaN or infinity, which no colour can show: "
                "look for the cause in the model or the inputs, or remove it with torch.nan_to_num"
            )
    return maps


def _upper_end(values: Tensor, percentile: float | None, low: Tensor) -> Tensor:
    top = values.amax(1, keepdim=True)
    if percentile is None:
        return top
    # Not torch.quantile: it refuses more than 16 million values.
    rank = round(percentile / 100 * (values.shape[1] - 1))
    cut = values.sort(1).values[:, rank : rank + 1]
    return torch.where(cut > low, cut, top)


def _divide(values: Tensor, by: Tensor) -> Tensor:
    """``values / by``, and zeros where ``by`` is zero."""
    return torch.where(by > 0, values / torch.where(by > 0, by, 1), 0)
