"""Exercises about class activation maps: making them from feature maps, and asking where they point."""

from __future__ import annotations

import torch
from torch import Tensor

from .exercise import Exercise
from .maps import _normalise


def _cam(features: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    return (weights[labels][:, :, None, None] * features).sum(1)


def _cam_case(generator: torch.Generator) -> tuple:
    features = torch.rand(4, 6, 3, 5, generator=generator)  # after a ReLU: not negative; all sizes differ
    weights = torch.randn(7, 6, generator=generator)
    predicted = (features.mean((2, 3)) @ weights.T).argmax(1)
    # Never the predicted class, and not the same one for all.
    labels = (predicted + torch.tensor([1, 2, 3, 4])) % 7
    return features, weights, labels


cam = Exercise(
    name="cam",
    task="write fn(features (N, D, H, W), weights (K, D), labels (N,)) -> (N, H, W): the feature maps of each image, "
    "weighed by the weights of its label and added up.",
    case=_cam_case,
    reference=_cam,
    mistakes=(
        (
            "You used the weights of the first label for every image. Each image has its own: weights[labels].",
            lambda a, w, y: _cam(a, w, y[:1].expand_as(y)),
        ),
        (
            "You explained the predicted class instead of the given labels.",
            lambda a, w, y: _cam(a, w, (a.mean((2, 3)) @ w.T).argmax(1)),
        ),
        (
            "You took the ReLU. That belongs to Grad-CAM: a class activation map keeps its sign, and only so adds up "
            "to the score.",
            lambda a, w, y: _cam(a, w, y).clamp(min=0),
        ),
        (
            "You took the absolute value of the weights: a map that speaks against the class must count against it.",
            lambda a, w, y: _cam(a, w.abs(), y),
        ),
        (
            "You left out what has a negative weight: it speaks against the class and must count so.",
            lambda a, w, y: _cam(a, w.clamp(min=0), y),
        ),
        ("You took the mean over the feature maps. The map wants the sum: sum(1).", lambda a, w, y: _cam(a, w, y) / 6),
        (
            "You divided by the number of places. That is for the mean over the grid, which gives the score back.",
            lambda a, w, y: _cam(a, w, y) / 15,
        ),
        (
            "You took the mean over the grid, which is the score without its bias. The map is what stood before the "
            "mean.",
            lambda a, w, y: _cam(a, w, y).mean((1, 2)),
        ),
        (
            "You pooled the features first: then every place is gone. Weigh the maps themselves.",
            lambda a, w, y: w[y] * a.mean((2, 3)),
        ),
        ("The weights are missing: you added up the feature maps as they are.", lambda a, w, y: a.sum(1)),
        (
            "You returned the weighed feature maps: add them up over the channels, sum(1).",
            lambda a, w, y: w[y][:, :, None, None] * a,
        ),
        (
            "You returned the maps of all classes. One map an image is wanted, that of its label.",
            lambda a, w, y: torch.einsum("kd,ndhw->nkhw", w, a),
        ),
        (
            "The channel axis is still there, with size 1: sum without keepdim, or squeeze(1).",
            lambda a, w, y: _cam(a, w, y)[:, None],
        ),
        (
            "You normalised each map to [0, 1]. That is for display: return the maps as they are.",
            lambda a, w, y: _normalise(_cam(a, w, y)),
        ),
    ),
)


def _weigh(features: Tensor, weights: Tensor) -> Tensor:
    """``(N, D, H, W)`` features, ``(N, D)`` weights -> the signed map ``(N, H, W)``."""
    return (weights[:, :, None, None] * features).sum(1)


def _gradcam(features: Tensor, gradients: Tensor) -> Tensor:
    return _weigh(features, gradients.mean((2, 3))).clamp(min=0)


def _gradcam_case(generator: torch.Generator) -> tuple:
    # Some of the features are negative, as after a SiLU: else a ReLU of the weights could not be told from one of the
    # weighed maps.
    features = torch.rand(4, 6, 3, 5, generator=generator) - 0.3
    # Gradients whose means are of both signs and as large as their spread, so that leaving out a step shows.
    means = torch.randn(4, 6, 1, 1, generator=generator)
    gradients = means + torch.randn(4, 6, 3, 5, generator=generator)
    return features, gradients


gradcam = Exercise(
    name="gradcam",
    task="write fn(features (N, D, H, W), gradients (N, D, H, W)) -> (N, H, W): each feature map weighed by the mean "
    "of its gradient over the grid, added up, negative places set to zero.",
    case=_gradcam_case,
    reference=_gradcam,
    mistakes=(
        (
            "The ReLU is missing: Grad-CAM keeps only the places that speak for the class, clamp(min=0).",
            lambda a, g: _weigh(a, g.mean((2, 3))),
        ),
        (
            "You took the absolute value instead of the ReLU: what speaks against the class then looks like what "
            "speaks for it.",
            lambda a, g: _weigh(a, g.mean((2, 3))).abs(),
        ),
        (
            "You took the ReLU of each weighed feature map before adding up, so nothing can cancel. Add up first.",
            lambda a, g: (g.mean((2, 3), keepdim=True) * a).clamp(min=0).sum(1),
        ),
        (
            "You took the ReLU of the weights: a feature map with a negative weight must count against the class.",
            lambda a, g: _weigh(a, g.mean((2, 3)).clamp(min=0)),
        ),
        (
            "You took the ReLU of the gradients before their mean.",
            lambda a, g: _weigh(a, g.clamp(min=0).mean((2, 3))),
        ),
        (
            "You took the absolute value of the weights: what speaks against the class must count against it.",
            lambda a, g: _weigh(a, g.mean((2, 3)).abs()),
        ),
        (
            "You multiplied gradient and features place by place. That is another method (HiResCAM): take the mean of "
            "the gradient over the grid first.",
            lambda a, g: (g * a).sum(1).clamp(min=0),
        ),
        (
            "You added up the gradient over the grid: the weight is its mean.",
            lambda a, g: _weigh(a, g.sum((2, 3))).clamp(min=0),
        ),
        (
            "You took the largest gradient of the grid as weight. It is the mean.",
            lambda a, g: _weigh(a, g.amax((2, 3))).clamp(min=0),
        ),
        (
            "You exchanged the two: the gradients are averaged, and the features keep their grid.",
            lambda a, g: _weigh(g, a.mean((2, 3))).clamp(min=0),
        ),
        (
            "You took the mean over the feature maps. The map wants the sum: sum(1).",
            lambda a, g: _gradcam(a, g) / 6,
        ),
        (
            "You took the mean of the gradient over the whole batch: each image has weights of its own.",
            lambda a, g: _weigh(a, g.mean((0, 2, 3))[None]).clamp(min=0),
        ),
        (
            "You used the weights of the first image for every image.",
            lambda a, g: _weigh(a, g.mean((2, 3))[:1]).clamp(min=0),
        ),
        ("The weights are missing: you added up the feature maps as they are.", lambda a, g: a.sum(1)),
        (
            "The channel axis is still there, with size 1: sum without keepdim, or squeeze(1).",
            lambda a, g: _gradcam(a, g)[:, None],
        ),
        (
            "You normalised each map to [0, 1]. That is for display: return the maps as they are.",
            lambda a, g: _normalise(_gradcam(a, g)),
        ),
        (
            "You divided the batch by its one maximum: an image's map then depends on the others. "
            "Return the maps as they are.",
            lambda a, g: _gradcam(a, g) / _gradcam(a, g).max(),
        ),
    ),
)


def _pointing_case(generator: torch.Generator) -> tuple:
    # Many small maps, as an answer is only 0 or 1; not square, so that exchanged axes show.
    maps = torch.rand(60, 5, 7, generator=generator)
    masks = torch.rand(60, 5, 7, generator=generator) < 0.4
    masks[:, 0, 0], masks[:, 0, 1] = True, False  # neither empty nor full
    return maps, masks


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
        ("That is 1 for a miss and 0 for a hit.", lambda m, k: 1 - _hit(m, k)),
        ("You asked where the smallest value lies.", lambda m, k: _hit(-m, k)),
        (
            "You returned the share of hits: one answer for each map is wanted.",
            lambda m, k: _hit(m, k).mean(),
        ),
        (
            "You looked for the largest value of the whole batch: every map has its own.",
            lambda m, k: ((m == m.max()) & k).flatten(1).any(1).float(),
        ),
        (
            "You used the place of the first map's maximum for every map.",
            lambda m, k: k.flatten(1)[:, m[0].argmax()].float(),
        ),
        (
            "You returned the value at the maximum where it hits: the answer is 1 or 0.",
            lambda m, k: _hit(m, k) * m.amax((1, 2)),
        ),
        (
            "You returned the place of the maximum: look up whether the mask is true there.",
            lambda m, k: m.flatten(1).argmax(1),
        ),
        (
            "You divided the flat index by the height. A row has as many pixels as the map is wide: i // W and i % W.",
            lambda m, k: _wrong_row(m, k),
        ),
        (
            "You returned the share of the map that lies on the mask. The pointing game asks for its largest value "
            "alone.",
            lambda m, k: (m * k).sum((1, 2)) / m.sum((1, 2)),
        ),
        (
            "You looked for the maximum on the mask only, where it always lies on the mask.",
            lambda m, k: k.flatten(1).any(1).float(),
        ),
    ),
)


def _wrong_row(maps: Tensor, masks: Tensor) -> Tensor:
    """Row and column from the height instead of the width, kept inside the map."""
    best, (height, width) = maps.flatten(1).argmax(1), maps.shape[1:]
    row, column = (best // height).clamp(max=height - 1), best % height
    return masks[torch.arange(len(masks)), row, column.clamp(max=width - 1)].float()
