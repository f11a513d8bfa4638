"""Exercises about class activation maps: making them from feature maps, and asking where they point."""

from __future__ import annotations

import torch
from torch import Tensor

from .cases import random_masks, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _cam_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    depth, classes = 5 + k % 2, 7 - k % 3
    features = torch.rand(n, depth, height - 3, width - 3, generator=generator)  # after a ReLU: not negative
    weights = torch.randn(classes, depth, generator=generator)
    best = (features.mean((2, 3)) @ weights.T).argmax(1)
    return features, weights, (best + 1 + torch.arange(n) % (classes - 1)) % classes  # never the predicted class


def _weighed(features: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    return weights[labels][:, :, None, None] * features


cam = Exercise(
    name="cam",
    task="write fn(features (N, D, H, W), weights (K, D), labels (N,)) -> (N, H, W): the feature maps of each image, "
    "weighed by the weights of its label and added up.",
    case=_cam_case,
    reference=lambda *case: _weighed(*case).sum(1),
    mistakes=(
        Mistake(
            "You explained the predicted class instead of the given labels.",
            lambda a, w, y: _weighed(a, w, (a.mean((2, 3)) @ w.T).argmax(1)).sum(1),
        ),
        Mistake(
            "The weights are missing: you added up the feature maps as they are.",
            lambda a, w, y: a.sum(1),
        ),
        Mistake(
            "You returned the maps of all classes. One map an image is wanted, that of its label.",
            lambda a, w, y: torch.einsum("kd,ndhw->nkhw", w, a),
        ),
    ),
    last_step=LastStep("weighed feature maps", _weighed),
)


def _gradcam_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    shape = n, 5 + k % 2, height - 3, width - 3
    # Some of the features are negative, as after a SiLU: else a ReLU of the weights could not be told from one of the
    # weighed maps. The means of the gradients have both signs and are as large as their spread.
    features = torch.rand(shape, generator=generator) - 0.3
    return features, torch.randn(*shape[:2], 1, 1, generator=generator) + torch.randn(shape, generator=generator)


def _weighed_by_mean(features: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3), keepdim=True) * features


gradcam = Exercise(
    name="gradcam",
    task="write fn(features (N, D, H, W), gradients (N, D, H, W)) -> (N, H, W): each feature map weighed by the mean "
    "of its gradient over the grid, added up, negative places set to zero.",
    case=_gradcam_case,
    reference=lambda *case: _weighed_by_mean(*case).sum(1).clamp(min=0),
    mistakes=(
        Mistake(
            "You multiplied gradient and features place by place. That is another method (HiResCAM): take the mean of "
            "the gradient over the grid first.",
            lambda a, g: (g * a).sum(1).clamp(min=0),
        ),
        Mistake(
            "You took the ReLU of the weights: a feature map with a negative weight must count against the class.",
            lambda a, g: (g.mean((2, 3), keepdim=True).clamp(min=0) * a).sum(1).clamp(min=0),
        ),
        Mistake(
            "The weights are missing: you added up the feature maps as they are.",
            lambda a, g: a.sum(1).clamp(min=0),
        ),
        Mistake(
            "You took the largest gradient of the grid as weight. It is the mean.",
            lambda a, g: (g.amax((2, 3), keepdim=True) * a).sum(1).clamp(min=0),
        ),
    ),
    last_step=LastStep("weighed feature maps", _weighed_by_mean),
)


def _pointing_case(generator: torch.Generator, k: int = 0) -> tuple:
    # Many small maps, as an answer is only 0 or 1.
    n, (height, width) = (1 if k == 1 else 40 + 5 * k), sizes(k)[2:]
    return torch.rand(n, height, width, generator=generator), random_masks(generator, n, height, width)


def _hit(maps: Tensor, masks: Tensor) -> Tensor:
    best = maps.flatten(1).argmax(1, keepdim=True)
    return masks.flatten(1).gather(1, best)[:, 0].float()


pointing_game = Exercise(
    name="pointing_game",
    task="write fn(maps (N, H, W), masks (N, H, W) bool) -> (N,): 1 where the largest value of a map lies on its mask, "
    "else 0.",
    case=_pointing_case,
    reference=_hit,
    mistakes=(
        Mistake(
            "You used the place of the first map's maximum for every map.",
            lambda m, k: k.flatten(1)[:, m[0].argmax()].float(),
        ),
        Mistake(
            "You returned the share of the map that lies on the mask. The pointing game asks for its largest value "
            "alone.",
            lambda m, k: (m * k).sum((1, 2)) / m.sum((1, 2)),
        ),
    ),
)
