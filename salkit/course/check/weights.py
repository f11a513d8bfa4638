"""Exercises about the randomisation of weights: which weights, which class, and the mean of a curve with gaps."""

from __future__ import annotations

import torch
from torch import Tensor

from .cases import gradient, predicted, random_network, sizes
from .exercise import Exercise, Mistake


def _cascade_case(generator: torch.Generator, k: int = 0) -> tuple:
    shape = ((5, 3, 3), (3, 2, 2), (4, 5, 5), (6, 4, 4))[k % 4]
    return torch.randn(shape, generator=generator), 0.1 * torch.randn(shape, generator=generator)


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
        Mistake(
            "That is independent randomisation, one layer at a time. In the cascade what is random stays random.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer == step),
        ),
        Mistake(
            "You began at the input. Layer 0 is the one at the output, and it is the first to go.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer >= len(w) - 1 - step),
        ),
        Mistake(
            "One step late: entry 0 has the output layer random already, and in the last one nothing learnt is left.",
            lambda w, n: _cascade(w, n, lambda step, layer: layer < step),
        ),
        Mistake(
            "All entries are the same, the network at the end of the cascade: keep a copy, clone(), after every step.",
            lambda w, n: n[None].expand(len(n), *n.shape),
        ),
        Mistake(
            "You added the noise to the weights. They are to be replaced: what was learnt must be gone.",
            lambda w, n: _cascade(w, w + n),
        ),
    ),
)


def _held_case(generator: torch.Generator, k: int = 0) -> tuple:
    """Two networks that don't agree on the class, or picking it again would not show; the model has several."""
    n, channels, height, width = sizes(k)
    while True:
        images = torch.rand(2 * n if n > 1 else 1, channels, height, width, generator=generator)
        model, randomised = (random_network(generator, channels) for _ in range(2))
        kept, repicked = predicted(model, images), predicted(randomised, images)
        if (kept != repicked).any() and (n == 1 or (kept != kept[0]).any()):
            return model, randomised, images


held_class = Exercise(
    name="held_class",
    task="write fn(model, randomised, images (N, C, H, W)) -> (N, C, H, W): the signed gradient map of the randomised "
    "network, fit to be compared with the model's own map of its predicted class.",
    case=_held_case,
    reference=lambda m, r, x: gradient(r, x, predicted(m, x)),
    mistakes=(
        Mistake(
            "You picked the class again on the randomised network: then two things change at once, the weights and "
            "the question. Hold the model's prediction.",
            lambda m, r, x: gradient(r, x, predicted(r, x)),
        ),
        Mistake(
            "You explained one class for all images: each has the prediction of its own.",
            lambda m, r, x: gradient(r, x, predicted(m, x)[:1].expand(len(x))),
        ),
        Mistake(
            "You returned the difference to the model's own map: return the map itself.",
            lambda m, r, x: gradient(r, x, predicted(m, x)) - gradient(m, x, predicted(m, x)),
        ),
    ),
)


def _curve_case(generator: torch.Generator, k: int = 0) -> tuple:
    seeds, depths, images = ((3, 5, 8), (2, 4, 1), (4, 6, 5), (5, 3, 7))[k % 4]
    values = torch.rand(seeds, depths, images, generator=generator)
    # Dead maps: the deeper, the more, and their numbers differ from image to image. No image is without a value.
    dead = torch.rand(values.shape, generator=generator) < torch.linspace(0, 0.7, depths).view(-1, 1)
    dead[torch.randint(seeds, (), generator=generator)] = False
    dead[0, -1, 0], dead[-1, -1, 0] = True, False
    values = values.masked_fill(dead, torch.nan)
    values[:, 0] = 1  # nothing is random yet
    return (values,)


depth_curve = Exercise(
    name="depth_curve",
    task="write fn(similarity (S, D, N)) -> (D,): at each of D depths the mean over N images, of each image's mean "
    "over S seeds. A dead map has NaN, and is left out.",
    case=_curve_case,
    reference=lambda s: s.nanmean(0).nanmean(1),
    mistakes=(
        Mistake("One dead map makes the whole mean NaN: leave it out with nanmean.", lambda s: s.mean(0).mean(1)),
        Mistake(
            "You dropped an image as soon as one of its seeds is NaN. Its other seeds still count: nanmean there, too.",
            lambda s: s.mean(0).nanmean(1),
        ),
        Mistake(
            "You counted a dead map as 0, as if it had changed completely. There is nothing to compare: leave it out.",
            lambda s: s.nan_to_num(0.0).mean((0, 2)),
        ),
        Mistake(
            "You pooled seeds and images, so an image with more living maps weighs more. Take the mean over the seeds "
            "first.",
            lambda s: s.nanmean((0, 2)),
        ),
        Mistake("You took the mean over the images first. Each image's mean over the seeds comes first.",
                lambda s: s.nanmean(2).nanmean(0)),
    ),
)  # fmt: skip
