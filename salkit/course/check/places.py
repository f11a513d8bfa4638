"""Exercises about places: class activation maps, hidden windows, and maps whose right answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import between, labelled_images, picked, random_masks, scaled_maps, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _grid(k: int) -> tuple[int, int, int, int]:
    n, _, height, width = sizes(k)
    return n, 5 + k % 2, height - 3, width - 3


def _contrast_case(generator: torch.Generator, k: int = 0) -> tuple:
    classes = 7 - k % 3
    features = torch.rand(_grid(k), generator=generator)  # after a ReLU: not negative
    weights = torch.randn(classes, features.shape[1], generator=generator)
    bias = torch.randn(classes, generator=generator)
    first, second = torch.randperm(classes, generator=generator)[:2].tolist()
    return features, weights, bias, first, second


def _votes(features: Tensor, weights: Tensor, bias: Tensor, label: int) -> Tensor:
    return torch.einsum("d,ndhw->nhw", weights[label], features) + bias[label]


contrast_map = Exercise(
    name="contrast_map",
    task="write fn(features (N, D, H, W), weights (K, D), bias (K,), first, second) -> (N, H, W): what speaks for the "
    "class `first` rather than `second`. The mean of each map is the difference of the two scores.",
    case=_contrast_case,
    reference=lambda a, w, b, first, second: _votes(a, w, b, first) - _votes(a, w, b, second),
    mistakes=(
        Mistake(
            "The biases are missing: the mean of your map is not yet the difference of the scores.",
            lambda a, w, b, first, second: _votes(a, w, 0 * b, first) - _votes(a, w, 0 * b, second),
        ),
        Mistake(
            "You divided the biases by the number of positions. The mean over the positions does that already, so each "
            "position gets all of them.",
            lambda a, w, b, first, second: (
                _votes(a, w, b / a[0, 0].numel(), first) - _votes(a, w, b / a[0, 0].numel(), second)
            ),
        ),
        Mistake(
            "You explained the first class alone. Subtract what speaks for the second.",
            lambda a, w, b, first, second: _votes(a, w, b, first),
        ),
        Mistake(
            "You took the ReLU of each map before you subtracted them. Then the mean is no longer the difference.",
            lambda a, w, b, first, second: _votes(a, w, b, first).relu() - _votes(a, w, b, second).relu(),
        ),
    ),
)


def _slopes_case(generator: torch.Generator, k: int = 0) -> tuple:
    # Some of the features are negative, as after a SiLU: else the order of ReLU and sum could not be told.
    shape = _grid(k)
    features = torch.rand(shape, generator=generator) - 0.3
    return features, torch.randn(*shape[:2], 1, 1, generator=generator) + torch.randn(shape, generator=generator)


def _weighed_by_slopes(features: Tensor, gradients: Tensor) -> Tensor:
    return gradients.clamp(min=0) * features


layercam = Exercise(
    name="layercam",
    task="write fn(features (N, D, H, W), gradients (N, D, H, W)) -> (N, H, W): each feature weighed by the positive "
    "part of its own gradient, added up over the channels, negative sums set to zero.",
    case=_slopes_case,
    reference=lambda *case: _weighed_by_slopes(*case).sum(1).clamp(min=0),
    mistakes=(
        Mistake(
            "You took the mean of the gradient over the grid. That is Grad-CAM: here each position keeps its own.",
            lambda a, g: (g.mean((2, 3), keepdim=True) * a).sum(1).clamp(min=0),
        ),
        Mistake(
            "You kept the negative gradients. That is HiResCAM: here only the positive ones count.",
            lambda a, g: (g * a).sum(1).clamp(min=0),
        ),
        Mistake(
            "You averaged the positive gradients over the grid. Each position keeps its own.",
            lambda a, g: (g.clamp(min=0).mean((2, 3), keepdim=True) * a).sum(1).clamp(min=0),
        ),
        Mistake(
            "The weights are missing: you added up the features as they are.",
            lambda a, g: a.sum(1).clamp(min=0),
        ),
    ),
    last_step=LastStep("weighed features", _weighed_by_slopes),
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


def _axis(generator: torch.Generator, longest: int = 40) -> tuple[int, int, int]:
    """An axis that holds the window at least once, a window from 3 pixels on, and a stride that leaves no gap."""
    window = between(generator, 3, 9)
    return between(generator, window, longest), window, between(generator, 1, window)


def _number(size: int, window: int, stride: int) -> int:
    return math.ceil((size - window) / stride) + 1


number_of_windows = Exercise(
    name="number_of_windows",
    task="write fn(size, window, stride) -> int: how many windows along an axis of so many pixels, the first at 0, "
    "until one reaches the edge, where it may be cut off. 1 <= stride <= window <= size.",
    case=lambda generator: _axis(generator),
    reference=_number,
    mistakes=(
        Mistake(
            "That is the formula of a convolution, which stops at the last window that fits: where the stride doesn't "
            "divide, the last pixels are never covered. Round up.",
            lambda n, w, s: (n - w) // s + 1,
        ),
        Mistake(
            "A window at every multiple of the stride is too many: once one has reached the edge, the next ones cover "
            "nothing new.",
            lambda n, w, s: math.ceil(n / s),
        ),
        Mistake(
            "Adding 1 to a quotient that was rounded down counts one window too many wherever the stride divides.",
            lambda n, w, s: (n - w) // s + 2,
        ),
    ),
    cases=80,
)


def _map_case(generator: torch.Generator, k: int = 0) -> tuple:
    height, window, stride = 0, 0, 0
    # Windows that overlap, at least three along the height, and a last one that is cut off.
    while window == stride or _number(height, window, stride) < 3 or (height - window) % stride == 0:
        height, window, stride = _axis(generator, longest=20)
    width = height + 3
    drops = torch.randn(_number(height, window, stride), _number(width, window, stride), generator=generator)
    return (
        (drops, window, stride, height, width) if k % 2 == 0 else (drops.T.contiguous(), window, stride, width, height)
    )


def _spread(reduce: Callable[[Tensor], Tensor]) -> Callable:
    """The map in which a pixel is ``reduce`` of the drops, ``(rows, columns)``, of the windows that cover it."""

    def covering(pixel: int, windows: int, window: int, stride: int) -> slice:
        number = [i for i in range(windows) if i * stride <= pixel < i * stride + window]
        return slice(number[0], number[-1] + 1)

    def spread(drops: Tensor, window: int, stride: int, height: int, width: int) -> Tensor:
        rows = [covering(h, len(drops), window, stride) for h in range(height)]
        columns = [covering(w, drops.shape[1], window, stride) for w in range(width)]
        return torch.stack([reduce(drops[r, c]) for r in rows for c in columns]).view(height, width)

    return spread


occlusion_map = Exercise(
    name="occlusion_map",
    task="write fn(drops (rows, columns), window, stride, height, width) -> (height, width): drops[i, j] belongs to "
    "the square window that starts at (i * stride, j * stride); each pixel gets the mean drop of the windows that "
    "cover it.",
    case=_map_case,
    reference=_spread(torch.mean),
    mistakes=(
        Mistake(
            "You added the drops up: a pixel in the middle lies under more windows than one in a corner, and would "
            "look more important. Divide by the number of windows.",
            _spread(torch.sum),
        ),
        Mistake(
            "Later windows overwrote earlier ones: add the drops up, count, and divide in the end.",
            _spread(lambda drops: drops[-1, -1]),
        ),
        Mistake("You kept the largest drop. The mean is asked for.", _spread(torch.amax)),
    ),
)


def _drop_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    n, _, height, width = images.shape
    return (
        model,
        images,
        labels,
        random_masks(generator, n, height, width),
        torch.rand(images.shape, generator=generator),
    )


@torch.no_grad()
def _before_and_after(model: nn.Module, images: Tensor, masks: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    """The logits ``(N, classes)`` of the images as they came, and with what lies under the mask hidden."""
    return model(images), model(torch.where(masks[:, None], baseline, images))


def _drop(model: nn.Module, images: Tensor, labels: Tensor, masks: Tensor, baseline: Tensor) -> Tensor:
    before, after = _before_and_after(model, images, masks, baseline)
    return picked(before - after, labels)


score_drop = Exercise(
    name="score_drop",
    task="write fn(model, images (N, C, H, W), labels (N,), masks (N, H, W) bool, baseline (N, C, H, W)) -> (N,): how "
    "much the label's logit falls when the pixels under the mask show the baseline instead.",
    case=_drop_case,
    reference=_drop,
    mistakes=(
        Mistake(
            "That is the score that is left: subtract it from the one before.",
            lambda m, x, y, k, b: picked(_before_and_after(m, x, k, b)[1], y),
        ),
        Mistake(
            "You replaced the whole image by the baseline.",
            lambda m, x, y, k, b: _drop(m, x, y, torch.ones_like(k), b),
        ),
        Mistake(
            "You took the largest logit, also after hiding, where another class may be on top: keep to the label.",
            lambda m, x, y, k, b: torch.sub(*(z.amax(1) for z in _before_and_after(m, x, k, b))),
        ),
    ),
)


def _first(maps: Tensor, count: Tensor | int) -> Tensor:
    """Which pixels are the ``count`` highest of each map, ``(N, H, W)`` bool; of tied ones those that come first."""
    place = maps.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (place < torch.as_tensor(count).view(-1, 1)).view(maps.shape)


def _size(masks: Tensor) -> Tensor:
    return masks.sum((1, 2))


def _rank(maps: Tensor, masks: Tensor, count: Tensor) -> Tensor:
    return (_first(maps, count) & masks).sum((1, 2)) / count


relevance_rank = Exercise(
    name="relevance_rank",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): of each map's k most relevant pixels, the share "
    "that lies on its mask, where k is the size of this mask in pixels.",
    case=scaled_maps,
    reference=lambda m, k: _rank(m, k, _size(k)),
    mistakes=(
        Mistake(
            "You took the size of the first mask for all maps. Each map has its own k.",
            lambda m, k: _rank(m, k, _size(k)[:1].expand(len(k))),
        ),
        Mistake(
            "You took the least relevant pixels: sort in descending order.",
            lambda m, k: _rank(-m, k, _size(k)),
        ),
        Mistake(
            "That is the share of the relevance on the mask. Here only the order of the pixels counts.",
            lambda m, k: (m * k).sum((1, 2)) / m.sum((1, 2)),
        ),
        Mistake(
            "That is intersection over union. Divide the pixels that are on the mask by k.",
            lambda m, k: (_first(m, _size(k)) & k).sum((1, 2)) / (_first(m, _size(k)) | k).sum((1, 2)),
        ),
    ),
    last_step=LastStep("pixels that are among the k and on the mask", lambda m, k: _first(m, _size(k)) & k),
)


def _tied_maps(generator: torch.Generator, k: int = 0) -> tuple:
    # Few different values, so that many pixels tie, as in a map with a ReLU at its end.
    n, _, height, width = sizes(k)
    maps = (3 * torch.rand(n, height, width, generator=generator)).floor() * torch.linspace(0.2, 5, n).view(n, 1, 1)
    return maps, random_masks(generator, n, height, width)


def _auc(maps: Tensor, masks: Tensor, tied: float = 0.5, others=torch.logical_not) -> Tensor:
    """Mean over the pairs (a pixel on the mask, one of the others), a tie being worth ``tied``."""
    values, on, off = maps.flatten(1).double(), masks.flatten(1), others(masks).flatten(1)
    gap = values[:, :, None] - values[:, None, :]
    pairs = on[:, :, None] & off[:, None, :]
    return (((gap > 0) + tied * (gap == 0).double()) * pairs).sum((1, 2)) / pairs.sum((1, 2))


mask_auc = Exercise(
    name="mask_auc",
    task="write fn(maps (N, H, W), masks (N, H, W) bool) -> (N,): for each map the share of all pairs (a pixel on the "
    "mask, a pixel beside it) in which the one on the mask has the higher value. A tie counts half.",
    case=_tied_maps,
    reference=_auc,
    mistakes=(
        Mistake(
            "You counted a tie as lost, so that a constant map would score 0. A tie counts half.",
            lambda m, k: _auc(m, k, tied=0.0),
        ),
        Mistake(
            "You counted a tie as won (>=), so that a constant map would score 1. A tie counts half.",
            lambda m, k: _auc(m, k, tied=1.0),
        ),
        Mistake(
            "You compared the pixels of the mask with all pixels. Compare them with those beside it: maps[~masks].",
            lambda m, k: _auc(m, k, others=torch.ones_like),
        ),
    ),
)


def _delete_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    images = torch.rand(sizes(k), generator=generator)
    # Signed, with many ties: the count ends in the middle of a group of equal values.
    maps = (2 * torch.randn(n, height, width, generator=generator)).round().clamp(-2, 2) / 2
    return images, maps, between(generator, 6, 19), 0.3 + 0.2 * torch.rand(images.shape, generator=generator)


def _last_value(maps: Tensor, count: int) -> Tensor:
    """The value of the pixel that goes last, ``(N, 1, 1)``."""
    return maps.flatten(1).sort(dim=1, descending=True).values[:, count - 1].view(-1, 1, 1)


def _exchanged(gone: Tensor, images: Tensor, baseline: Tensor) -> Tensor:
    return torch.where(gone[:, None], baseline, images)


delete_pixels = Exercise(
    name="delete_pixels",
    task="write fn(images (N, C, H, W), maps (N, H, W), count, baseline (N, C, H, W)) -> (N, C, H, W): the images in "
    "which the count most relevant pixels show the baseline, all channels of a pixel. The maps are signed, and the "
    "highest value goes first. Exactly count pixels go: of tied ones, those that come first row by row.",
    case=_delete_case,
    reference=lambda i, m, n, b: _exchanged(_first(m, n), i, b),
    mistakes=(
        Mistake(
            "Tied pixels go all at once: comparing with the count-th value takes every pixel that equals it, and so "
            "more than count. Sort, and take the first count of the order.",
            lambda i, m, n, b: _exchanged(m >= _last_value(m, n), i, b),
        ),
        Mistake(
            "Of tied pixels you take the last ones. argsort(descending=True, stable=True) leaves them in their order; "
            "reversing an ascending order turns them around.",
            lambda i, m, n, b: _exchanged(_first(m.flip((1, 2)), n).flip((1, 2)), i, b),
        ),
        Mistake(
            "You kept the most relevant pixels and took the others away. That is insertion.",
            lambda i, m, n, b: _exchanged(~_first(m, n), i, b),
        ),
    ),
)
