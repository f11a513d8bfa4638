"""Small changes of the pictures that leave their class as it is: flips, shifts, and squares that are covered."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import InputError


def augment(
    images: Tensor, *, shift: int = 3, cutout: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Flip half of the images left to right, shift each by up to ``shift`` pixels, and cover a square of it.

    Args:
        images: ``(N, C, H, W)``, any dtype.
        shift: largest move in pixels along each axis, edges reflected; less than height and width.
        cutout: side of the square in pixels, filled with the image's mean colour; its centre may be any pixel, so that
            a part of it may lie outside (DeVries and Taylor 2017). ``None`` covers nothing.
        generator: source of the random numbers, on the CPU.

    Returns:
        New images of the same shape and dtype. The pixel beyond an edge is the one before it, as in a mirror
        that stands on the outermost pixel: ``b a b c`` for ``a b c`` moved by one.

    Raises:
        InputError: a shift or a square that does not fit the images.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> images = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4)
        >>> course.augment(images, shift=1, generator=torch.Generator().manual_seed(0))
        tensor([[[[6, 5, 4, 5],
                  [2, 1, 0, 1],
                  [6, 5, 4, 5]]]], dtype=torch.uint8)
    """
    n, _, height, width = images.shape
    for name, value, least in (("shift", shift, 0), ("cutout", cutout, 1)):
        if value is not None and not least <= value < min(height, width):
            raise InputError(
                f"{name} must be between {least} and {min(height, width) - 1} for images of this size, not {value}"
            )
    device = images.device
    flip = (torch.rand(n, generator=generator) < 0.5).to(device)
    down, right = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator).to(device)
    rows = _reflect(torch.arange(height, device=device) + down, height)
    columns = _reflect(torch.arange(width, device=device) + right, width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    sample = torch.arange(n, device=device)[:, None, None]
    # Advanced indices on both sides of a slice put the channel last: (N, H, W, C).
    moved = images[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return moved if cutout is None else _covered(moved, cutout, generator)


def _covered(images: Tensor, side: int, generator: torch.Generator | None) -> Tensor:
    within = []
    for size in images.shape[2:]:
        first = torch.randint(size, (len(images), 1), generator=generator).to(images.device) - side // 2
        index = torch.arange(size, device=images.device)
        within.append((index >= first) & (index < first + side))
    square = (within[0][:, :, None] & within[1][:, None, :])[:, None]
    mean = images.float().mean((2, 3), keepdim=True).to(images.dtype)
    return torch.where(square, mean, images)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices outside 0 .. size - 1, mirrored back inside."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
