"""Exercises about hiding parts of an image: how many windows, what hiding costs, and the map of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import between, labelled_images, picked, random_masks
from .exercise import Exercise, Mistake


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
