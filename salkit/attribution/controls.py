"""Maps that explain nothing, to hold the others against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        inputs: ``(N, C, H, W)``, or ``(N, C, T)``: the absolute central difference.

    Returns:
        In the inputs' shape and dtype, not negative, in input units a pixel; the border is continued outwards.

    Raises:
        InputError: inputs without spatial axes.
        TargetError: a target that no model could have.
    """
    with untouched(model, inputs) as x, torch.no_grad():
        targets.check(target, len(x))
        if x.ndim not in (3, 4):
            raise InputError(f"edges need inputs (N, C, H, W) or (N, C, T), not the shape {tuple(x.shape)}")
        return torch.cat([_edges(x[rows].float()) for rows in slices(len(x), batch_size)]).to(x.dtype)


def _edges(x: Tensor) -> Tensor:
    difference = torch.tensor([-0.5, 0.0, 0.5], device=x.device)
    if x.ndim == 3:
        padded = F.pad(x, (1, 1), mode="replicate")
        return F.conv1d(padded.flatten(0, 1)[:, None], difference[None, None]).reshape(x.shape).abs()
    across = torch.tensor([0.25, 0.5, 0.25], device=x.device)[:, None] * difference
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None]
    both = F.conv2d(padded, torch.stack([across, across.T])[:, None])
    return both.square().sum(1).sqrt().reshape(x.shape)


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
    """
    with untouched(model, inputs) as x, torch.no_grad():
        targets.check(target, len(x))
        next(slices(len(x), batch_size))
        weights = digest(model.state_dict())
        seeds = [int(digest({f"{seed} {weights}": image})[:15], 16) for image in x]
        noise = [torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(number)) for number in seeds]
        return torch.stack(noise).to(x)
