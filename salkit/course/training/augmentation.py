"""Small changes of the pictures that leave their class as it is: flips, shifts, and squares that are covered."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moves(NamedTuple):
    """What happens to each of ``n`` images; a share of them is ``moves.of(part)``.

    Attributes:
        flip: ``(n,)`` bool, left to right.
        offset: ``(2, n)`` int64, pixels down and to the right.
        centre: ``(2, n)`` int64, row and column of the covered square; ``None`` where nothing is covered.
    """

    flip: Tensor
    offset: Tensor
    centre: Tensor | None = None

    def of(self, part: slice) -> Moves:
        return Moves(*(None if drawn is None else drawn[..., part] for drawn in self))


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
    """
    return moved(images, draw_moves(images.shape, shift=shift, cutout=cutout, generator=generator), cutout)


def draw_moves(
    shape, *, shift: int, cutout: int | None = None, generator: torch.Generator | None = None
) -> Moves:
    """Random moves for images of this ``(N, C, H, W)`` shape."""
    n, _, height, width = shape
    flip = torch.rand(n, generator=generator) < 0.5
    offset = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator)[..., 0]
    if cutout is None:
        return Moves(flip, offset)
    centre = [torch.randint(size, (n,), generator=generator) for size in (height, width)]
    return Moves(flip, offset, torch.stack(centre))


def moved(images: Tensor, moves: Moves, cutout: int | None = None) -> Tensor:
    """The images ``(N, C, H, W)``, moved and covered; see :func:`augment`."""
    n, _, height, width = images.shape
    device = images.device
    flip, offset = moves.flip.to(device), moves.offset.to(device)
    rows = _reflect(torch.arange(height, device=device) + offset[0, :, None], height)
    columns = _reflect(torch.arange(width, device=device) + offset[1, :, None], width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    sample = torch.arange(n, device=device)[:, None, None]
    # Advanced indices on both sides of a slice put the channel last: (N, H, W, C).
    images = images[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return images if cutout is None else _covered(images, moves.centre.to(device), cutout)


def _covered(images: Tensor, centre: Tensor, side: int) -> Tensor:
    inside = [
        _within(torch.arange(size, device=images.device), middle[:, None] - side // 2, side)
        for size, middle in zip(images.shape[2:], centre, strict=True)
    ]
    square = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    mean = images.float().mean((2, 3), keepdim=True).to(images.dtype)
    return torch.where(square, mean, images)


def _within(index: Tensor, first: Tensor, count: int) -> Tensor:
    return (index >= first) & (index < first + count)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices outside 0 .. size - 1, mirrored back inside."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
