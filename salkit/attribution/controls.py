"""Maps that explain nothing, to hold the others against."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import targets
from .._state import digest, untouched
from ..errors import InputError
from .core import slices


def edge_map(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *, batch_size: int | None = None
) -> Tensor:
    """The strength of the edges in each channel by the Sobel filter (Adebayo et al. 2018 use an edge detector so).

    It looks like an explanation, and neither the model nor the target matters.

    Args:
        model, target, batch_size: taken so that the call is that of the other methods, and not used.
        inputs: ``(N, C, H, W)``, volumes ``(N, C, D, H, W)``, or ``(N, C, T)``: the absolute central difference.

    Returns:
        In the inputs' shape and dtype, not negative, in input units a pixel; the border is continued outwards.

    Raises:
        InputError: inputs without spatial axes.
        TargetError: a target that no model could have.

    Example:
        >>> import torch, salkit
        >>> # dark on the left
        >>> image = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 1, 3, 4)
        >>> salkit.edge_map(torch.nn.Identity(), image)
        tensor([[[[0.0000, 0.5000, 0.5000, 0.0000],
                  [0.0000, 0.5000, 0.5000, 0.0000],
                  [0.0000, 0.5000, 0.5000, 0.0000]]]])
    """
    with untouched(model, inputs) as x, torch.no_grad():
        targets.check(target, len(x))
        if x.ndim < 3:
            raise InputError(f"edges need inputs with axes after the channels, not the shape {tuple(x.shape)}")
        return torch.cat([_edges(x[rows].float()) for rows in slices(len(x), batch_size)]).to(x.dtype)


def _edges(x: Tensor) -> Tensor:
    axes = range(2, x.ndim)
    squares = torch.zeros_like(x)
    for along in axes:
        slope = x
        for axis in axes:
            before, here, after = _neighbours(slope, axis)
            slope = (after - before) / 2 if axis == along else (before + 2 * here + after) / 4
        squares += slope.square()
    return squares.sqrt()


def _neighbours(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """What lies before each value along an axis, the value, and what lies after it; the border is continued."""
    last = x.shape[axis] - 1
    padded = torch.cat([x.narrow(axis, 0, 1), x, x.narrow(axis, last, 1)], axis)
    return padded.narrow(axis, 0, last + 1), x, padded.narrow(axis, 2, last + 1)


def random_map(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    seed: int = 0,
    batch_size: int | None = None,
) -> Tensor:
    """Normal noise that knows nothing.

    The noise is drawn anew for each image and each set of weights, so that a randomised network gets another map,
    and the same call gets the same one.

    Args:
        model, inputs: their bytes seed the noise, together with ``seed``.
        target, batch_size: taken so that the call is that of the other methods, and not used.

    Returns:
        In the inputs' shape and dtype.

    Raises:
        InputError, TargetError: as for the other methods.

    Example:
        >>> import torch, salkit
        >>> model, images = torch.nn.Linear(2, 2), torch.ones(1, 2)
        >>> before = salkit.random_map(model, images)
        >>> torch.equal(before, salkit.random_map(model, images))
        True
        >>> model.bias.data += 1
        >>> torch.equal(before, salkit.random_map(model, images))
        False
    """
    with untouched(model, inputs) as x, torch.no_grad():
        targets.check(target, len(x))
        next(slices(len(x), batch_size))
        weights = digest(model.state_dict())
        seeds = [int(digest({f"{seed} {weights}": image})[:15], 16) for image in x]
        draws = [torch.Generator().manual_seed(number) for number in seeds]
        noise = [torch.randn(x.shape[1:], generator=draw, dtype=torch.float32) for draw in draws]
        return torch.stack(noise).to(x)
