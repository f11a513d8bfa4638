"""Exercises about maps: making one, scaling and measuring it."""

from __future__ import annotations

import torch
from torch import Tensor

from .cases import every_logit, gradient, labelled_images, scaled_maps, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _largest(gradients: Tensor) -> Tensor:
    return gradients.abs().amax(1)


saliency = Exercise(
    name="saliency",
    task="write fn(model, images (N, C, H, W), labels (N,)) -> (N, H, W): the largest absolute gradient of the label's "
    "logit over the channels, of a network that comes in evaluation mode.",
    case=labelled_images,
    reference=lambda model, images, labels: _largest(gradient(model, images, labels)),
    mistakes=(
        Mistake(
            "You took the gradient of all logits together: pick the one of each image's label first.",
            lambda m, x, y: _largest(gradient(m, x, y, every_logit)),
        ),
        Mistake(
            "logits[:, labels] takes every label from every image, an (N, N) table. For one logit an image use "
            "logits[torch.arange(N), labels] or gather.",
            lambda m, x, y: _largest(gradient(m, x, y, lambda z, y: z[:, y])),
        ),
        Mistake(
            "You multiplied the gradient by the image: that is another method, gradient x input.",
            lambda m, x, y: _largest(gradient(m, x, y) * x),
        ),
        Mistake(
            "The gradients of the images before are added in: x.grad adds up, so set it to zero between two images.",
            lambda m, x, y: _largest(gradient(m, x, y).cumsum(0)),
        ),
    ),
    last_step=LastStep("gradient", gradient),
)


def _maps_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    maps = torch.randn(n, height, width, generator=generator) * torch.logspace(-2, 1, n).view(n, 1, 1)
    maps = maps + torch.randn(n, 1, 1, generator=generator)
    if n > 2:
        maps[2] = maps[2, 0, 0]  # a constant map, as of a network that ignores its input
    return (maps,)


def _low(maps: Tensor) -> Tensor:
    return maps.amin((-2, -1), keepdim=True)


def _high(maps: Tensor) -> Tensor:
    return maps.amax((-2, -1), keepdim=True)


def _normalise(maps: Tensor) -> Tensor:
    low, high = _low(maps), _high(maps)
    return (maps - low) / torch.where(high > low, high - low, 1.0)


normalise = Exercise(
    name="normalise",
    task="write fn(maps (N, H, W)) -> (N, H, W): each map on its own, moved and scaled to [0, 1]; a constant map gives "
    "zeros.",
    case=_maps_case,
    reference=_normalise,
    mistakes=(
        Mistake(
            "A constant map gives NaN, 0 / 0: where the maximum equals the minimum, return zeros.",
            lambda m: (m - _low(m)) / (_high(m) - _low(m)),
        ),
        Mistake("You divided by the maximum without subtracting the minimum first.", lambda m: m / _high(m)),
        Mistake(
            "You divided by the maximum, not by the maximum minus the minimum.", lambda m: (m - _low(m)) / _high(m)
        ),
        Mistake(
            "You normalised every row of pixels on its own: take minimum and maximum over height and width.",
            lambda m: _normalise(m[:, :, None])[:, :, 0],
        ),
    ),
)


def _inside(maps: Tensor, masks: Tensor) -> Tensor:
    return (maps * masks).sum((1, 2))


relevance_mass = Exercise(
    name="relevance_mass",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): the share of each map's sum that lies on its "
    "mask.",
    case=scaled_maps,
    reference=lambda maps, masks: _inside(maps, masks) / maps.sum((1, 2)),
    mistakes=(
        Mistake(
            "You divided by the size of the mask, which gives the mean on it. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)),
        ),
        Mistake(
            "That is the share of the area under the mask, which ignores the map.",
            lambda m, k: k.float().mean((1, 2)),
        ),
        Mistake(
            "You divided by the sum of the whole batch: each map has its own, sum((1, 2)).",
            lambda m, k: _inside(m, k) / m.sum(),
        ),
    ),
    last_step=LastStep("map on its mask, not yet divided by the sum of the whole map,", lambda m, k: m * k),
)
