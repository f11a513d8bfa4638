"""Heat-maps laid over the images that they explain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .style import SIGNED_COLOURS, UNSIGNED_COLOURS

_ROUNDING = 1e-4  # Half precision and resizing leave values just outside of [0, 1].
_LUMINANCE = (0.299, 0.587, 0.114)


class Thresholded(NamedTuple):
    """What `threshold` has chosen.

    Attributes:
        images: ``(N, H, W, 3)`` float32 in [0, 1], the chosen pixels as they are and the others dimmed.
        mask: ``(N, H, W)`` bool, the chosen pixels.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> kept = display.threshold(torch.ones(1, 3, 1, 2), torch.tensor([[[0.2, 1.0]]]))
        >>> kept.images[..., 0], kept.mask
        (array([[[0.3, 1. ]]], dtype=float32), array([[[False,  True]]]))
    """

    images: np.ndarray
    mask: np.ndarray


def pictures(images: Tensor) -> np.ndarray:
    """Images as ``imshow`` takes them: ``(N, H, W, 3)`` float32 in [0, 1].

    Args:
        images: ``(N, 3, H, W)``, ``(N, 1, H, W)`` or ``(N, H, W, 3)``; uint8, or floats in [0, 1].

    Raises:
        InputError: another shape, or values out of range, which means that the image was normalised for a network.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> display.pictures(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).shape
        (1, 2, 2, 3)
    """
    images = torch.as_tensor(images).detach().cpu()
    if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise InputError(f"images must be (N, 3, H, W), (N, 1, H, W) or (N, H, W, 3), not {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        images = images.float() / 255
    elif not images.is_floating_point():
        raise InputError(f"images must be uint8, or floats in [0, 1], not {images.dtype}")
    images = images.float()
    # Written so that NaN fails, too.
    if images.numel() and not (images.min() >= -_ROUNDING and images.max() <= 1 + _ROUNDING):
        raise InputError(
            f"floating images must lie in [0, 1], not {images.min():.3g} .. {images.max():.3g}: undo the network's "
            "normalisation first; if these are maps, reduce their channels with reduce_channels or heatmap"
        )
    return images.clamp(0, 1).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()


def overlay(
    images: Tensor,
    heat: Tensor,
    alpha: float = 0.85,
    cmap: str | None = None,
    *,
    signed: bool | None = None,
    grey: bool = True,
) -> np.ndarray:
    """Heat painted over images, the more opaque the hotter: where there is no heat, the image shows as it is.

    ``(1 - a) * image + a * colour(heat)`` with ``a = alpha * |heat|``.

    Args:
        images: see `pictures`.
        heat: ``(N, h, w)`` or ``(N, 1, h, w)`` from `heatmap`, in [0, 1] or [-1, 1]. A grid coarser than
            the image is enlarged (bilinear, ``align_corners=False``).
        alpha: how much the hottest pixel covers of the image, 0 to 1.
        cmap: name of a matplotlib colour map; by default a perceptually uniform one, or a diverging one when signed.
        signed: colour on [-1, 1] rather than on [0, 1]. By default, when there is a negative value in ``heat``.
        grey: take the colour out of the image, so that every colour in the result is heat.

    Returns:
        ``(N, H, W, 3)`` float32 in [0, 1], ready for ``imshow`` and `grid`.

    Raises:
        InputError: shapes that don't fit together, heat or images out of range, or an unknown colour map.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> images, heat = torch.full((1, 3, 1, 2), 0.5), torch.tensor([[[0.0, 1.0]]])
        >>> display.overlay(images, heat).round(2)  # grey where it is cold
        array([[[[0.5 , 0.5 , 0.5 ],
                 [0.92, 0.92, 0.62]]]], dtype=float32)
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha must lie in 0 .. 1, not {alpha}")
    base = pictures(images)
    values = _fitted(heat, base)
    signed = bool((values < 0).any()) if signed is None else signed
    if grey:
        base = np.repeat((base @ np.array(_LUMINANCE, np.float32))[..., None], 3, axis=-1)
    position = (values + 1) / 2 if signed else values.clip(0, 1)
    colours = colour_map(cmap, signed)(position)[..., :3]
    opacity = alpha * np.abs(values if signed else position)[..., None]
    return ((1 - opacity) * base + opacity * colours).clip(0, 1).astype(np.float32)


def threshold(images: Tensor, heat: Tensor, level: float = 0.5, *, dim: float = 0.3) -> Thresholded:
    """Keep the pixels whose heat is at least ``level``, and dim the others.

    Args:
        images: see `pictures`.
        heat: as in `overlay`. Of a signed map, the positive evidence counts.
        level: the threshold, over 0 and at most 1; Wu takes 0.5 of the min-max scaled map.
        dim: brightness of the other pixels, 0 (black) to 1 (unchanged).

    Raises:
        InputError: shapes that don't fit together, or values out of range.

    Example:
        >>> import torch
        >>> from salkit import display
        >>> images, heat = torch.ones(1, 3, 1, 3), torch.tensor([[[0.2, 0.5, 1.0]]])
        >>> display.threshold(images, heat).mask
        array([[[False,  True,  True]]])
    """
    if not 0 < level <= 1:
        raise InputError(f"level must be over 0 and at most 1, not {level}: it is compared with heat in [0, 1]")
    if not 0 <= dim <= 1:
        raise InputError(f"dim must lie in 0 .. 1, not {dim}")
    base = pictures(images)
    mask = _fitted(heat, base) >= level
    return Thresholded(np.where(mask[..., None], base, dim * base).astype(np.float32), mask)


def colour_map(name: str | None, signed: bool):
    """A matplotlib colour map by name, or the course's own for maps of this kind."""
    import matplotlib

    try:
        return matplotlib.colormaps[name or (SIGNED_COLOURS if signed else UNSIGNED_COLOURS)]
    except KeyError:
        raise InputError(f"matplotlib has no colour map {name!r}: try 'inferno', 'viridis' or 'RdBu_r'") from None


def _fitted(heat: Tensor, base: np.ndarray) -> np.ndarray:
    """The heat as ``(N, H, W)`` float32 on the grid of the images ``(N, H, W, 3)``."""
    heat = torch.as_tensor(heat).detach().cpu().float()
    if heat.ndim == 4 and heat.shape[1] == 1:
        heat = heat[:, 0]
    n, *size = base.shape[:3]
    if heat.ndim != 3 or len(heat) != n:
        raise InputError(f"heat must be ({n}, h, w), one map for each image, not {tuple(heat.shape)}")
    if heat.numel() and not (heat.min() >= -1 - _ROUNDING and heat.max() <= 1 + _ROUNDING):
        raise InputError(f"heat must lie in [0, 1] or [-1, 1], not {heat.min():.3g} .. {heat.max():.3g}: use heatmap")
    if list(heat.shape[1:]) != size:
        if heat.shape[1] > size[0] or heat.shape[2] > size[1]:
            raise InputError(f"heat {tuple(heat.shape[1:])} is finer than the images {tuple(size)}: shrink it first")
        heat = F.interpolate(heat[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    return heat.clamp(-1, 1).numpy()
