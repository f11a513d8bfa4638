"""Exercises about comparing networks: ranks, intervals, the same question to both, and weights made random."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import gradient, largest, predicted, sizes, two_networks
from .exercise import Exercise, Mistake
from .relations import LastStep


def _pair_of_maps(generator: torch.Generator, k: int = 0) -> tuple:
    """Maps of rough steps, so that many values tie. Every other pair runs against each other."""
    n, _, height, width = sizes(k)
    a, b = torch.randn(2, n, height, width, generator=generator)
    against = (-1.0) ** (k + torch.arange(n)).view(n, 1, 1)
    return (2 * a).round().clamp(min=-2), 10 * (against * a + b).round()


def _midranks(rows: Tensor) -> Tensor:
    """(N, P) -> ranks from 1; equal values share the mean of their ranks."""
    below = (rows[:, None, :] < rows[:, :, None]).sum(2)
    equal = (rows[:, None, :] == rows[:, :, None]).sum(2)
    return below + (equal.double() + 1) / 2


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    return (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))


def _by_differences(x: Tensor, y: Tensor) -> Tensor:
    n = x.shape[-1]
    return 1 - 6 * (x - y).square().sum(-1) / (n * (n**2 - 1))


def _correlation(rank: Callable = _midranks, compare: Callable = _pearson) -> Callable:
    return lambda a, b: compare(rank(a.flatten(1)), rank(b.flatten(1)))


rank_correlation = Exercise(
    name="rank_correlation",
    task="write fn(a, b) -> (N,): Spearman's rank correlation of each pair of maps (N, H, W). Equal values share the "
    "mean of their ranks.",
    case=_pair_of_maps,
    reference=_correlation(),
    mistakes=(
        Mistake("That is Pearson's correlation of the values: take their ranks first.", _correlation(Tensor.double)),
        Mistake(
            "argsort of argsort gives equal values different ranks, in the order in which they happen to lie. They "
            "share the mean of their ranks.",
            _correlation(lambda rows: rows.argsort(dim=1, stable=True).argsort(dim=1).double()),
        ),
        Mistake(
            "The formula of the rank differences holds only without ties, and here are many: correlate the ranks.",
            _correlation(compare=_by_differences),
        ),
        Mistake(
            "argsort gives the places of the sorted values, not the ranks of the values.",
            _correlation(lambda rows: rows.argsort(dim=1, stable=True).double()),
        ),
    ),
)


def _scores_and_draws(generator: torch.Generator, k: int = 0) -> tuple:
    n, resamples = ((30, 1000), (21, 600), (39, 2000), (25, 400))[k % 4]
    # Skewed, so that an interval of mean and standard deviations is another one.
    return torch.randn(n, generator=generator).exp(), torch.randint(0, n, (resamples, n), generator=generator)


def _ends(values: Tensor, beyond: float = 0.025) -> Tensor:
    """What leaves out the share ``beyond`` of the values at either end, (2,)."""
    return values.quantile(torch.tensor([beyond, 1 - beyond]).to(values))


def _between_neighbours(answer: Tensor, _: Tensor, case: tuple) -> bool:
    """Whether both ends lie between neighbouring means, whatever the convention of the quantile.

    One mean further on either side is taken as well: another draw would move the ends by several places.
    """
    means = case[0][case[1]].double().mean(1).sort().values
    places = [0.025 * (len(means) - 1), 0.975 * (len(means) - 1)]
    low = means[[math.floor(place) - 1 for place in places]]
    high = means[[math.ceil(place) + 1 for place in places]]
    slack = 1e-5 * means.abs().max()
    return bool(((low - slack <= answer) & (answer <= high + slack)).all())


bootstrap_interval = Exercise(
    name="bootstrap_interval",
    task="write fn(values, draws) -> (2,): the 95 % bootstrap interval of the mean of values (N,). Each row of draws "
    "(R, N) holds the indices of one sample drawn again.",
    case=_scores_and_draws,
    reference=lambda v, d: _ends(v[d].mean(1)),
    close=_between_neighbours,
    mistakes=(
        Mistake(
            "That is the range that holds 95 % of the values. It says how different the images are, not how well their "
            "mean is known: take the mean of each draw first.",
            lambda v, d: _ends(v),
        ),
        Mistake(
            "That leaves out 5 % at either end, which is a 90 % interval: 2.5 % at each.",
            lambda v, d: _ends(v[d].mean(1), 0.05),
        ),
        Mistake(
            "You took the lowest and the highest mean: leave out 2.5 % of the means at each end.",
            lambda v, d: torch.stack([v[d].mean(1).amin(), v[d].mean(1).amax()]),
        ),
        Mistake(
            "That is the mean and 1.96 standard errors: close, but the bootstrap reads its ends off the means of the "
            "draws.",
            lambda v, d: v.mean() + torch.tensor([-1.96, 1.96]) * v.std() / len(v) ** 0.5,
        ),
        Mistake(
            "You took the mean over the wrong axis: each row of draws is one sample.", lambda v, d: _ends(v[d].mean(0))
        ),
    ),
)


def _gradients(first: nn.Module, second: nn.Module, images: Tensor, classes=lambda one, other: (one, one)) -> Tensor:
    """Those of both networks, ``(2, N, C, H, W)``, for the classes that are picked from what each predicts."""
    chosen = classes(predicted(first, images), predicted(second, images))
    return torch.stack([gradient(m, images, c) for m, c in zip((first, second), chosen, strict=True)])


same_question = Exercise(
    name="same_question",
    task="write fn(first, second, images) -> (2, N, H, W): the saliency maps (largest absolute gradient over the "
    "channels) of both networks, each for the class that the first one predicts.",
    case=two_networks,
    reference=lambda *case: largest(_gradients(*case)),
    mistakes=(
        Mistake(
            "Each network explains its own answer. Then the maps differ because the questions do: hold the class that "
            "the first one predicts.",
            lambda *case: largest(_gradients(*case, classes=lambda one, other: (one, other))),
        ),
        Mistake(
            "You held the class that the second network predicts: it is the first one's answer that is asked for.",
            lambda *case: largest(_gradients(*case, classes=lambda one, other: (other, other))),
        ),
        Mistake(
            "The gradients of the first network are added in: x.grad adds up, so set it to zero between the two.",
            lambda *case: largest(_gradients(*case).cumsum(0)),
        ),
        Mistake(
            "The class is that of the first image for all of them: each image has its own prediction.",
            lambda *case: largest(_gradients(*case, classes=lambda one, _: (one[:1].expand_as(one),) * 2)),
        ),
    ),
    last_step=LastStep("gradient", _gradients),
)


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


held_class = Exercise(
    name="held_class",
    task="write fn(model, randomised, images (N, C, H, W)) -> (N, C, H, W): the signed gradient map of the randomised "
    "network, fit to be compared with the model's own map of its predicted class.",
    case=two_networks,
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
