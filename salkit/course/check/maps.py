"""Exercises about maps: making one, scaling, cutting and measuring it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cases import picked, random_network
from .exercise import Exercise


def _saliency_case(generator: torch.Generator) -> tuple:
    model = random_network(generator)
    images = torch.rand(4, 3, 7, 9, generator=generator)  # all sizes differ, so that a wrong axis shows
    with torch.no_grad():
        predicted = model(images).argmax(1)
    # Never the predicted class, and not the same one for all.
    labels = (predicted + torch.tensor([1, 2, 3, 4])) % 5
    return model, images, labels


_SCORES = {
    "": lambda z, y: picked(z, y).sum(),
    "You took the gradient of a softmax probability: it is flat where the network is sure, and it mixes in the other "
    "classes. Take the logit.": lambda z, y: picked(z.softmax(1), y).sum(),
    "You took the gradient of the log-softmax or cross-entropy: it also carries what speaks against the other "
    "classes. Take the logit.": lambda z, y: picked(z.log_softmax(1), y).sum(),
    "You took the gradient of the mean cross-entropy. Take the logit itself, and add up over the batch.": (
        lambda z, y: F.cross_entropy(z, y)
    ),
    "You explained the predicted class instead of the given labels.": lambda z, y: z.amax(1).sum(),
    "You took the gradient of all logits together: pick the one of each image's label first.": lambda z, y: z.sum(),
    "logits[:, labels] takes every label from every image, an (N, N) table. For one logit an image use "
    "logits[torch.arange(N), labels] or gather.": lambda z, y: z[:, y].sum(),
    "You took the mean of the scores, so each map is divided by the batch size, and an image's map depends on how many "
    "others came with it. Take the sum.": lambda z, y: picked(z, y).mean(),
}
_REDUCTIONS = {
    "": lambda g, x: g.abs().amax(1),
    "You took the maximum over the channels without the absolute value: a strongly negative gradient counts too. "
    "Take abs() first.": lambda g, x: g.amax(1),
    "You took the absolute value after the maximum: a channel with a strongly negative gradient has lost by then. "
    "Take abs() first.": lambda g, x: g.amax(1).abs(),
    "You took the mean over the channels. The map wants the maximum: amax(1).": lambda g, x: g.abs().mean(1),
    "You took the sum over the channels. The map wants the maximum: amax(1).": lambda g, x: g.abs().sum(1),
    "You took the Euclidean norm over the channels. The map wants the maximum: amax(1).": lambda g, x: g.norm(dim=1),
    "You averaged the signed gradient over the channels, where the signs cancel. Take abs().amax(1).": (
        lambda g, x: g.mean(1)
    ),
    "You added up the signed gradient over the channels, where the signs cancel. Take abs().amax(1).": (
        lambda g, x: g.sum(1)
    ),
    "You squared the gradient. The map wants its absolute value.": lambda g, x: g.square().amax(1),
    "Wrong axis: dimension 0 is the batch. The channels are dimension 1.": lambda g, x: g.abs().amax(0),
    "Wrong axis: dimension 2 is the height. The channels are dimension 1.": lambda g, x: g.abs().amax(2),
    "Wrong axis: the last dimension is the width. The channels are dimension 1.": lambda g, x: g.abs().amax(3),
    "The channel axis is still there, with size 1: reduce without keepdim, or squeeze(1).": (
        lambda g, x: g.abs().amax(1, keepdim=True)
    ),
    "You returned the absolute gradient of every channel: take the maximum over the channels, amax(1).": (
        lambda g, x: g.abs()
    ),
    "You returned the gradient itself: take abs() and then the maximum over the channels, amax(1).": lambda g, x: g,
    "You multiplied the gradient by the image: that is another method, gradient x input.": (
        lambda g, x: (g * x).abs().amax(1)
    ),
}
_AFTER = {
    "": lambda m: m,
    "You divided the whole batch by its one maximum, so an image's map depends on the others. "
    "Return the maps as they are.": lambda m: m / m.max(),
    "You normalised the batch together, so an image's map depends on the others. Return the maps as they are.": (
        lambda m: (m - m.min()) / (m.max() - m.min())
    ),
    "You divided each map by its maximum. That is for display: return the maps as they are.": (
        lambda m: m / m.flatten(1).amax(1).view(-1, *[1] * (m.ndim - 1))
    ),
    "You normalised each map to [0, 1]. That is for display: return the maps as they are.": lambda m: _normalise(m),
}
_MODES = {
    "": False,
    "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().": True,
}


def _saliency(score, reduction, after, train_mode: bool) -> Callable:
    """The map of Simonyan et al. (2013), or a wrong one, from its four decisions."""

    def saliency(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        model.train(train_mode)
        images = images.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score(model(images), labels), images)
        return after(reduction(gradient, images.detach()))

    return saliency


def _saliency_mistakes() -> tuple[tuple[str, Callable], ...]:
    """Every single mistake, then every two of them together."""
    tables = (_SCORES, _REDUCTIONS, _AFTER, _MODES)
    choices = sorted(itertools.product(*tables), key=lambda hints: sum(map(bool, hints)))
    return tuple(
        (
            " Also: ".join(filter(None, hints)),
            _saliency(*(table[hint] for table, hint in zip(tables, hints, strict=True))),
        )
        for hints in choices
        if 1 <= sum(map(bool, hints)) <= 2
    )


def _normalise(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    span = torch.where(high > low, high - low, 1.0)
    return ((flat - low) / span).reshape(maps.shape)


saliency = Exercise(
    name="saliency",
    task="write fn(model, images (N, C, H, W), labels (N,)) -> (N, H, W): the largest absolute gradient of the label's "
    "logit over the channels, of a network that comes in evaluation mode.",
    case=_saliency_case,
    reference=_saliency(_SCORES[""], _REDUCTIONS[""], _AFTER[""], False),
    mistakes=_saliency_mistakes(),
)


def _maps_case(generator: torch.Generator) -> tuple:
    maps = torch.randn(4, 5, 6, generator=generator) * torch.tensor([0.01, 1.0, 3.0, 20.0]).view(4, 1, 1)
    maps = maps + torch.randn(4, 1, 1, generator=generator)
    maps[2] = maps[2, 0, 0]  # a constant map, as of a network that ignores its input
    return (maps,)


def _over_map(function) -> Callable:
    """``function`` over the pixels of each map, as ``(N, 1, 1)``."""
    return lambda maps: function(maps.flatten(1)).view(-1, 1, 1)


_LOW, _HIGH = _over_map(lambda flat: flat.amin(1)), _over_map(lambda flat: flat.amax(1))

normalise = Exercise(
    name="normalise",
    task="write fn(maps (N, H, W)) -> (N, H, W): each map on its own, moved and scaled to [0, 1]; a constant map gives "
    "zeros.",
    case=_maps_case,
    reference=_normalise,
    mistakes=(
        (
            "A constant map gives NaN, 0 / 0: where the maximum equals the minimum, return zeros.",
            lambda m: (m - _LOW(m)) / (_HIGH(m) - _LOW(m)),
        ),
        (
            "You normalised the batch together: an image's map then depends on the others. "
            "Take minimum and maximum of each map.",
            lambda m: (m - m.min()) / (m.max() - m.min()),
        ),
        ("You divided by the maximum without subtracting the minimum first.", lambda m: m / _HIGH(m)),
        ("You divided the batch by its one maximum. Take minimum and maximum of each map.", lambda m: m / m.max()),
        ("You divided by the maximum, not by the maximum minus the minimum.", lambda m: (m - _LOW(m)) / _HIGH(m)),
        ("You subtracted the minimum, and the division by the range is missing.", lambda m: m - _LOW(m)),
        (
            "You normalised every row of pixels on its own: take minimum and maximum over height and width.",
            lambda m: _normalise(m.flatten(0, 1)).view(m.shape),
        ),
        (
            "You standardised by mean and standard deviation: the result isn't in [0, 1].",
            lambda m: (m - m.mean((1, 2), keepdim=True)) / m.std((1, 2), keepdim=True),
        ),
        (
            "You divided by the largest absolute value: a negative map then isn't in [0, 1].",
            lambda m: m / _HIGH(m.abs()),
        ),
        ("You returned the maps as they came.", lambda m: m),
    ),
)


def _threshold_case(generator: torch.Generator) -> tuple:
    images = 0.1 + 0.9 * torch.rand(4, 3, 5, 6, generator=generator)
    maps = torch.rand(4, 5, 6, generator=generator)
    level = 0.3 + 0.4 * torch.rand((), generator=generator).item()
    return images, maps, level


threshold = Exercise(
    name="threshold",
    task="write fn(images (N, C, H, W), maps (N, H, W) in [0, 1], level) -> (N, C, H, W): the images where their map "
    "reaches the level, and black elsewhere.",
    case=_threshold_case,
    reference=lambda images, maps, level: images * (maps >= level)[:, None],
    mistakes=(
        ("You kept what lies under the level and blackened the rest.", lambda i, m, t: i * (m < t)[:, None]),
        ("You ignored the level and used 0.5.", lambda i, m, t: i * (m >= 0.5)[:, None]),
        (
            "You multiplied the images by the map itself: compare it with the level first.",
            lambda i, m, t: i * m[:, None],
        ),
        (
            "You weighted the pixels that are kept by the map: they should keep their colour.",
            lambda i, m, t: i * (m * (m >= t))[:, None],
        ),
        ("You returned the mask: multiply the images by it.", lambda i, m, t: m >= t),
        ("You returned the mask: multiply the images by it.", lambda i, m, t: (m >= t)[:, None]),
        (
            "The mask (N, H, W) needs a channel axis to meet images (N, C, H, W): mask[:, None].",
            lambda i, m, t: i * (m >= t),
        ),
        (
            "You took the level as a share of the pixels, a quantile. Compare the map's values with it.",
            lambda i, m, t: i * (m >= m.flatten(1).quantile(t, dim=1).view(-1, 1, 1))[:, None],
        ),
        ("You compared the images with the level, not their maps.", lambda i, m, t: i * (i >= t)),
        ("You made the rest white. It should be black, 0.", lambda i, m, t: torch.where((m >= t)[:, None], i, 1.0)),
    ),
)


def _mass_case(generator: torch.Generator) -> tuple:
    maps = torch.rand(4, 6, 7, generator=generator) * torch.tensor([0.1, 1.0, 2.0, 5.0]).view(4, 1, 1)
    masks = torch.rand(4, 6, 7, generator=generator) < torch.tensor([0.2, 0.4, 0.6, 0.8]).view(4, 1, 1)
    masks[:, 0, 0], masks[:, 0, 1] = True, False  # neither empty nor full
    return maps, masks


def _inside(maps: Tensor, masks: Tensor) -> Tensor:
    return (maps * masks).sum((1, 2))


relevance_mass = Exercise(
    name="relevance_mass",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): the share of each map's sum that lies on its "
    "mask.",
    case=_mass_case,
    reference=lambda maps, masks: _inside(maps, masks) / maps.sum((1, 2)),
    mistakes=(
        ("That is the share outside the mask.", lambda m, k: 1 - _inside(m, k) / m.sum((1, 2))),
        ("You returned the sum on the mask: divide it by the sum of the whole map.", _inside),
        (
            "You divided by the size of the mask, which gives the mean on it. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)),
        ),
        (
            "You divided by the number of pixels. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / m[0].numel(),
        ),
        (
            "You compared the mean on the mask with the mean of the map. The share is made of sums.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)) / m.mean((1, 2)),
        ),
        (
            "You compared the sum inside with the sum outside. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / _inside(m, ~k),
        ),
        ("That is the share of the area under the mask, which ignores the map.", lambda m, k: k.float().mean((1, 2))),
        (
            "You took the batch together: one share for each map is wanted, sum((1, 2)).",
            lambda m, k: (m * k).sum() / m.sum(),
        ),
        (
            "You divided by the sum of the whole batch: each map has its own, sum((1, 2)).",
            lambda m, k: _inside(m, k) / m.sum(),
        ),
        (
            "You returned the mean over the batch: one share for each map is wanted.",
            lambda m, k: (_inside(m, k) / m.sum((1, 2))).mean(),
        ),
        ("You returned a percentage. A share lies in [0, 1].", lambda m, k: 100 * _inside(m, k) / m.sum((1, 2))),
    ),
)
