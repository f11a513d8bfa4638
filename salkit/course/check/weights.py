"""Exercises about the randomisation of weights: which weights, which class, and the mean of a curve with gaps."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .cases import picked, random_network
from .exercise import Exercise


def _cascade_case(generator: torch.Generator) -> tuple:
    return torch.randn(5, 3, 3, generator=generator), 0.01 * torch.randn(5, 3, 3, generator=generator)


def _cascade(weights: Tensor, noise: Tensor, replaced=lambda step, layer: layer <= step) -> Tensor:
    """``replaced(step, layer)``: whether the layer is random in that step; steps and layers count from 0."""
    layer = torch.arange(len(weights))
    where = replaced(layer[:, None], layer[None])[:, :, None, None]
    return torch.where(where, noise[None], weights[None])


cascade_weights = Exercise(
    name="cascade_weights",
    task="write fn(weights (L, D, D), noise (L, D, D)) -> (L, L, D, D): the weights of L layers, the output's first, "
    "as they are after each step of cascading randomisation; noise has the new weights of every layer.",
    case=_cascade_case,
    reference=_cascade,
    mistakes=(
        (
            "That is independent randomisation, one layer at a time. In the cascade what is random stays random.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer == step),
        ),
        (
            "You began at the input. Layer 0 is the one at the output, and it is the first to go.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer >= len(w) - 1 - step),
        ),
        (
            "One step late: entry 0 has the output layer random already, and in the last one nothing learnt is left.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer < step),
        ),
        (
            "It is the other way round: after step k the layers 0 to k are random, and the rest is as it was learnt.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer > step),
        ),
        (
            "Your steps run backwards: the first has one random layer, the last has all of them.",
            lambda w, n: _cascade(w, n).flip(0),
        ),
        (
            "You gave every layer the same new weights: noise[k] belongs to layer k.",
            lambda w, n: _cascade(w, n[:1].expand_as(n)),
        ),
        (
            "You added the noise to the weights. They are to be replaced: what was learnt must be gone.",
            lambda w, n: _cascade(w, w + n),
        ),
        (
            "All entries are the same, the network at the end of the cascade: keep a copy, clone(), after every step.",
            lambda w, n: n[None].expand(len(n), *n.shape),
        ),
        ("You set the layers to zero. Their new weights are in noise.", lambda w, n: _cascade(w, 0 * n)),
    ),
)


def _held_case(generator: torch.Generator) -> tuple:
    images = torch.rand(8, 3, 7, 9, generator=generator)
    # The two must not agree on the class, or picking it again would not show; nor may the model
    # give one class to all images, or asking for the first one's would not.
    for _ in range(100):
        model, randomised = random_network(generator), random_network(generator)
        kept, repicked = _predicted(model, images), _predicted(randomised, images)
        if (kept != repicked).any() and (kept != kept[0]).any():
            break
    return model, randomised, images


def _gradient(model: nn.Module, images: Tensor, labels: Tensor, score=picked) -> Tensor:
    images = images.detach().clone().requires_grad_()
    return torch.autograd.grad(score(model(images), labels).sum(), images)[0]


@torch.no_grad()
def _predicted(model: nn.Module, images: Tensor) -> Tensor:
    return model(images).argmax(1)


def _in_train_mode(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return _gradient(copy.deepcopy(model).train(), images, labels)


held_class = Exercise(
    name="held_class",
    task="write fn(model, randomised, images (N, C, H, W)) -> (N, C, H, W): the signed gradient map of the randomised "
    "network, fit to be compared with the model's own map of its predicted class.",
    case=_held_case,
    reference=lambda m, r, x: _gradient(r, x, _predicted(m, x)),
    mistakes=(
        (
            "You picked the class again on the randomised network: then two things change at once, the weights and "
            "the question. Hold the model's prediction.",
            lambda m, r, x: _gradient(r, x, _predicted(r, x)),
        ),
        (
            "That is the map of the model itself: take the gradient through the randomised network.",
            lambda m, r, x: _gradient(m, x, _predicted(m, x)),
        ),
        (
            "You took the model's gradient, for the class that the randomised network predicts. It is the other way "
            "round: the model's class, the randomised network's gradient.",
            lambda m, r, x: _gradient(m, x, _predicted(r, x)),
        ),
        (
            "You explained one class for all images: each has the prediction of its own.",
            lambda m, r, x: _gradient(r, x, _predicted(m, x)[:1].expand(len(x))),
        ),
        (
            "You took the gradient of a softmax probability. Take the logit.",
            lambda m, r, x: _gradient(r, x, _predicted(m, x), lambda z, y: picked(z.softmax(1), y)),
        ),
        (
            "You took the absolute value: the signed gradient is wanted.",
            lambda m, r, x: _gradient(r, x, _predicted(m, x)).abs(),
        ),
        (
            "You took the mean of the scores, so each map is divided by the batch size. Take the sum.",
            lambda m, r, x: _gradient(r, x, _predicted(m, x)) / len(x),
        ),
        (
            "You returned the difference to the model's own map: return the map itself.",
            lambda m, r, x: _gradient(r, x, _predicted(m, x)) - _gradient(m, x, _predicted(m, x)),
        ),
        (
            "The randomised network was in train mode: BatchNorm then mixes the images of the batch.",
            lambda m, r, x: _in_train_mode(r, x, _predicted(m, x)),
        ),
    ),
)


def _curve_case(generator: torch.Generator) -> tuple:
    values = torch.rand(3, 5, 8, generator=generator)
    values[:, 0] = 1  # nothing is random yet
    # Dead maps: the deeper, the more; no image is without a value, and their numbers differ.
    values[0, 2, :2], values[0, 3, :4], values[1, 3, 2:5], values[:2, 4, :6] = (torch.nan,) * 4
    return (values,)


def _filled(values: Tensor, with_: float) -> Tensor:
    return values.nan_to_num(with_).mean(0).mean(1)


depth_curve = Exercise(
    name="depth_curve",
    task="write fn(similarity (S, D, N)) -> (D,): at each of D depths the mean over N images, of each image's mean "
    "over S seeds. A dead map has NaN, and is left out.",
    case=_curve_case,
    reference=lambda s: s.nanmean(0).nanmean(1),
    mistakes=(
        (
            "One dead map makes the whole mean NaN: leave it out with nanmean.",
            lambda s: s.mean(0).mean(1),
        ),
        (
            "You dropped an image as soon as one of its seeds is NaN. Its other seeds still count: nanmean there, too.",
            lambda s: s.mean(0).nanmean(1),
        ),
        (
            "You counted a dead map as 0, as if it had changed completely. There is nothing to compare: leave it out.",
            lambda s: _filled(s, 0.0),
        ),
        (
            "You counted a dead map as 1, as if it had not changed. There is nothing to compare: leave it out.",
            lambda s: _filled(s, 1.0),
        ),
        (
            "You pooled seeds and images, so an image with more living maps weighs more. Take the mean over the seeds "
            "first.",
            lambda s: s.nanmean((0, 2)),
        ),
        (
            "You took the mean over the images first. Each image's mean over the seeds comes first.",
            lambda s: s.nanmean(2).nanmean(0),
        ),
        (
            "You left depth 0 out. It belongs to the curve, and must be exactly 1.",
            lambda s: s.nanmean(0).nanmean(1)[1:],
        ),
        (
            "You returned one number for all depths: keep dimension 1.",
            lambda s: s.nanmean(0).nanmean(1).mean(),
        ),
        (
            "You took the mean over the depths: they are dimension 1, the images dimension 2.",
            lambda s: s.nanmean(0).nanmean(0),
        ),
        ("You took the mean over the seeds only: then over the images.", lambda s: s.nanmean(0)),
        ("You took the mean over the images only: first over the seeds.", lambda s: s.nanmean(2)),
        ("You took the median: the mean is wanted.", lambda s: s.nanmedian(0).values.nanmedian(1).values),
    ),
)
