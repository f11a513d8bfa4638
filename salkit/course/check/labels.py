"""Exercises about comparing the maps of two networks: ranks, intervals, and the same question to both."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import picked, random_network
from .exercise import Exercise

# --- rank correlation, ties included


def _pair_of_maps(generator: torch.Generator) -> tuple:
    """Maps of rough steps, so that many values tie, and with signs, so that an absolute value shows."""
    a, b = torch.randn(2, 5, 6, 8, generator=generator)
    a, b = (2 * a).round(), (a + b).round() * 10
    return a.clamp(min=-2), b


def _midranks(rows: Tensor) -> Tensor:
    """(N, P) -> ranks from 1; equal values share the mean of their ranks."""
    below = (rows[:, None, :] < rows[:, :, None]).sum(2)
    equal = (rows[:, None, :] == rows[:, :, None]).sum(2)
    return (below + (equal + 1) / 2).double()


def _placement(rows: Tensor) -> Tensor:
    """Ranks from 1 by the place in the order: equal values get different ones."""
    return rows.argsort(dim=1, stable=True).argsort(dim=1).double() + 1


def _values(rows: Tensor) -> Tensor:
    return rows.double()


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    return (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))


def _by_differences(x: Tensor, y: Tensor) -> Tensor:
    n = x.shape[-1]
    return 1 - 6 * (x - y).square().sum(-1) / (n * (n**2 - 1))


def _correlation(rank: Callable = _midranks, compare: Callable = _pearson, prepare=lambda m: m) -> Callable:
    def correlation(a: Tensor, b: Tensor) -> Tensor:
        return compare(rank(prepare(a).flatten(1)), rank(prepare(b).flatten(1)))

    return correlation


rank_correlation = Exercise(
    name="rank_correlation",
    task="write fn(a, b) -> (N,): Spearman's rank correlation of each pair of maps (N, H, W). Equal values share the "
    "mean of their ranks.",
    case=_pair_of_maps,
    reference=_correlation(),
    mistakes=(
        ("That is Pearson's correlation of the values: take their ranks first.", _correlation(rank=_values)),
        (
            "argsort of argsort gives equal values different ranks, in the order in which they happen to lie. They "
            "share the mean of their ranks.",
            _correlation(rank=_placement),
        ),
        (
            "The formula of the rank differences holds only without ties, and here are many: correlate the ranks.",
            _correlation(compare=_by_differences),
        ),
        (
            "argsort gives the places of the sorted values, not the ranks of the values.",
            _correlation(rank=lambda rows: rows.argsort(dim=1, stable=True).double()),
        ),
        ("You took absolute values: the sign belongs to the order.", _correlation(prepare=lambda m: m.abs())),
        (
            "Equal values share the mean of their ranks, not the lowest.",
            _correlation(rank=lambda rows: (rows[:, None, :] < rows[:, :, None]).sum(2).double()),
        ),
        (
            "Equal values share the mean of their ranks, not the highest.",
            _correlation(rank=lambda rows: (rows[:, None, :] <= rows[:, :, None]).sum(2).double()),
        ),
        (
            "Equal values share the mean of their ranks. You numbered the different values without gaps.",
            _correlation(rank=lambda rows: torch.stack([r.unique(return_inverse=True)[1].double() for r in rows])),
        ),
        (
            "You ranked all maps together: each pair has its own ranks, and its own correlation.",
            lambda a, b: _correlation()(a[None], b[None]).expand(len(a)),
        ),
        ("One value for each pair of maps is asked for, not their mean.", lambda a, b: _correlation()(a, b).mean()),
    ),
)


# --- the interval of a mean


def _scores_and_draws(generator: torch.Generator) -> tuple:
    n = int(torch.randint(20, 40, (), generator=generator))
    # Skewed, so that an interval of mean and standard deviations is another one.
    values = torch.randn(n, generator=generator).exp()
    return values, torch.randint(0, n, (200, n), generator=generator)


def _ends(values: Tensor, beyond: float = 0.025) -> Tensor:
    """What leaves out the share ``beyond`` of the values at either end, (2,)."""
    return values.quantile(torch.tensor([beyond, 1 - beyond], dtype=values.dtype))


def _around(values: Tensor, deviation: Tensor) -> Tensor:
    return torch.stack([values.mean() - 1.96 * deviation, values.mean() + 1.96 * deviation])


bootstrap_interval = Exercise(
    name="bootstrap_interval",
    task="write fn(values, draws) -> (2,): the 95 % bootstrap interval of the mean of values (N,). Each row of draws "
    "(R, N) holds the indices of one sample drawn again.",
    case=_scores_and_draws,
    reference=lambda v, d: _ends(v[d].mean(1)),
    mistakes=(
        (
            "That is the range that holds 95 % of the values. It says how different the images are, not how well their "
            "mean is known: take the mean of each draw first.",
            lambda v, d: _ends(v),
        ),
        (
            "That is the range of all the values drawn: take the mean of each draw first.",
            lambda v, d: _ends(v[d].flatten()),
        ),
        (
            "You took the mean over the wrong axis: each row of draws is one sample.",
            lambda v, d: _ends(v[d].mean(0)),
        ),
        (
            "That leaves out 5 % at either end, which is a 90 % interval: 2.5 % at each.",
            lambda v, d: _ends(v[d].mean(1), 0.05),
        ),
        (
            "You took the lowest and the highest mean: leave out 2.5 % of the means at each end.",
            lambda v, d: torch.stack([v[d].mean(1).amin(), v[d].mean(1).amax()]),
        ),
        (
            "That is the mean and 1.96 standard deviations of the values, which is about their range.",
            lambda v, d: _around(v, v.std()),
        ),
        (
            "That is the mean and 1.96 standard errors: close, but the bootstrap reads its ends off the means of the "
            "draws.",
            lambda v, d: _around(v, v.std() / len(v) ** 0.5),
        ),
        (
            "That is 1.96 standard deviations of the means: read the ends off the means themselves, which need not lie "
            "evenly.",
            lambda v, d: _around(v, v[d].mean(1).std()),
        ),
        ("You took medians: the interval of the mean is asked for.", lambda v, d: _ends(v[d].median(1).values)),
        ("The lower end comes first.", lambda v, d: _ends(v[d].mean(1)).flip(0)),
    ),
)


# --- the same question to two networks


def _two_networks(generator: torch.Generator) -> tuple:
    while True:
        first, second = random_network(generator), random_network(generator)
        images = torch.rand(4, 3, 7, 9, generator=generator)  # all sizes differ, so that a wrong axis shows
        with torch.no_grad():
            answers = first(images).argmax(1), second(images).argmax(1)
        if (answers[0] != answers[1]).any() and len(set(answers[0].tolist())) > 1:
            return first, second, images


def _signed(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    images = images.detach().clone().requires_grad_()
    return torch.autograd.grad(picked(model(images), labels).sum(), images)[0]


def _of_both(classes: Callable, reduce=lambda g: g.abs().amax(1)) -> Callable:
    """Maps of two networks, of the classes that ``classes(logits of both)`` picks for each."""

    def maps(first: nn.Module, second: nn.Module, images: Tensor) -> Tensor:
        with torch.no_grad():
            chosen = classes(first(images), second(images))
        return torch.stack([reduce(_signed(m, images, c)) for m, c in zip((first, second), chosen, strict=True)])

    return maps


def _held(z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return z.argmax(1), z.argmax(1)


same_question = Exercise(
    name="same_question",
    task="write fn(first, second, images) -> (2, N, H, W): the saliency maps (largest absolute gradient over the "
    "channels) of both networks, each for the class that the first one predicts.",
    case=_two_networks,
    reference=_of_both(_held),
    mistakes=(
        (
            "Each network explains its own answer. Then the maps differ because the questions do: hold the class that "
            "the first one predicts.",
            _of_both(lambda z, w: (z.argmax(1), w.argmax(1))),
        ),
        (
            "You held the class that the second network predicts: it is the first one's answer that is asked for.",
            _of_both(lambda z, w: (w.argmax(1), w.argmax(1))),
        ),
        (
            "You swapped the two: each explains what the other predicts.",
            _of_both(lambda z, w: (w.argmax(1), z.argmax(1))),
        ),
        (
            "The class is that of the first image for all of them: each image has its own prediction.",
            _of_both(lambda z, w: (z.argmax(1)[:1].expand(len(z)),) * 2),
        ),
        (
            "The maximum over the channels is taken without the absolute value.",
            _of_both(_held, reduce=lambda g: g.amax(1)),
        ),
        ("You averaged the channels: their maximum is asked for.", _of_both(_held, reduce=lambda g: g.abs().mean(1))),
        ("Both maps are of the first network.", lambda first, second, images: _of_both(_held)(first, first, images)),
        ("The maps of the second network come second.", lambda a, b, images: _of_both(_held)(a, b, images).flip(0)),
    ),
)
