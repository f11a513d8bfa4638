"""Exercises about comparing the maps of two networks: ranks, intervals, and the same question to both."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import gradient, predicted, random_network, sizes
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


def _two_networks(generator: torch.Generator, k: int = 0) -> tuple:
    """Two networks that disagree on some of the images; the first does not say the same of all."""
    while True:
        first, second = (random_network(generator, sizes(k)[1]) for _ in range(2))
        images = torch.rand(sizes(k), generator=generator)
        one, other = predicted(first, images), predicted(second, images)
        if (one != other).any() and (len(images) == 1 or len(one.unique()) > 1):
            return first, second, images


def _gradients(first: nn.Module, second: nn.Module, images: Tensor, classes=lambda one, other: (one, one)) -> Tensor:
    """Those of both networks, ``(2, N, C, H, W)``, for the classes that are picked from what each predicts."""
    chosen = classes(predicted(first, images), predicted(second, images))
    return torch.stack([gradient(m, images, c) for m, c in zip((first, second), chosen, strict=True)])


def _largest(gradients: Tensor) -> Tensor:
    return gradients.abs().amax(2)


same_question = Exercise(
    name="same_question",
    task="write fn(first, second, images) -> (2, N, H, W): the saliency maps (largest absolute gradient over the "
    "channels) of both networks, each for the class that the first one predicts.",
    case=_two_networks,
    reference=lambda *case: _largest(_gradients(*case)),
    mistakes=(
        Mistake(
            "Each network explains its own answer. Then the maps differ because the questions do: hold the class that "
            "the first one predicts.",
            lambda *case: _largest(_gradients(*case, classes=lambda one, other: (one, other))),
        ),
        Mistake(
            "You held the class that the second network predicts: it is the first one's answer that is asked for.",
            lambda *case: _largest(_gradients(*case, classes=lambda one, other: (other, other))),
        ),
        Mistake(
            "The gradients of the first network are added in: x.grad adds up, so set it to zero between the two.",
            lambda *case: _largest(_gradients(*case).cumsum(0)),
        ),
        Mistake(
            "The class is that of the first image for all of them: each image has its own prediction.",
            lambda *case: _largest(_gradients(*case, classes=lambda one, _: (one[:1].expand_as(one),) * 2)),
        ),
    ),
    last_step=LastStep("gradient", _gradients),
)
