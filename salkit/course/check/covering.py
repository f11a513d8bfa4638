"""Exercises about hiding parts of an image: how many windows, what hiding costs, and the map of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import picked, random_network
from .exercise import Exercise


def _axis(generator: torch.Generator, longest: int) -> tuple[int, int, int]:
    """A window from 3 pixels on, a stride that leaves no gap, and an axis that holds the window at least once."""

    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    window = between(3, 9)
    return between(window, longest), window, between(1, window)


def _number(size: int, window: int, stride: int) -> int:
    return math.ceil((size - window) / stride) + 1


number_of_windows = Exercise(
    name="number_of_windows",
    task="write fn(size, window, stride) -> int: how many windows along an axis of so many pixels, the first at 0, "
    "until one reaches the edge, where it may be cut off. 1 <= stride <= window <= size.",
    case=lambda generator: _axis(generator, longest=40),
    reference=_number,
    mistakes=(
        (
            "That is the formula of a convolution, which stops at the last window that fits: where the stride doesn't "
            "divide, the last pixels are never covered. Round up.",
            lambda n, w, s: (n - w) // s + 1,
        ),
        ("The + 1 is missing: the first position counts as well.", lambda n, w, s: math.ceil((n - w) / s)),
        (
            "The + 1 is missing, and you rounded down: the last pixels are never covered.",
            lambda n, w, s: (n - w) // s,
        ),
        (
            "A window at every multiple of the stride is too many: once one has reached the edge, the next ones cover "
            "nothing new.",
            lambda n, w, s: math.ceil(n / s),
        ),
        (
            "A window at every multiple of the stride is too many, and you rounded down.",
            lambda n, w, s: n // s,
        ),
        ("You laid the windows side by side: they start a stride apart.", lambda n, w, s: math.ceil(n / w)),
        ("You left out the stride.", lambda n, w, s: n - w + 1),
        (
            "You counted the windows of a whole square picture: one axis is asked for.",
            lambda n, w, s: _number(n, w, s) ** 2,
        ),
        ("The result must be a whole number: round up.", lambda n, w, s: (n - w) / s + 1),
        (
            "Adding 1 to a quotient that was rounded down counts one window too many wherever the stride divides.",
            lambda n, w, s: (n - w) // s + 2,
        ),
    ),
    cases=80,
)


def _map_case(generator: torch.Generator) -> tuple:
    height, window, stride = 0, 0, 0
    # Windows that overlap, at least three along the height, and a last one that is cut off.
    while window == stride or _number(height, window, stride) < 3 or (height - window) % stride == 0:
        height, window, stride = _axis(generator, longest=20)
    width = height + 3
    drops = torch.randn(_number(height, window, stride), _number(width, window, stride), generator=generator)
    return drops, window, stride, height, width


def _spread(reduce: Callable[[Tensor], Tensor], transpose: bool = False) -> Callable:
    """The map in which a pixel is ``reduce`` of the drops, as ``(k,)``, of the windows that cover it."""

    def spread(drops: Tensor, window: int, stride: int, height: int, width: int) -> Tensor:
        shape = (width, height) if transpose else (height, width)
        drops = drops.T if transpose else drops

        def covering(pixel: int, windows: int) -> slice:
            number = [i for i in range(windows) if i * stride <= pixel < i * stride + window]
            return slice(number[0], number[-1] + 1)

        pixels = [
            reduce(drops[covering(h, drops.shape[0]), covering(w, drops.shape[1])])
            for h in range(shape[0])
            for w in range(shape[1])
        ]
        return torch.stack(pixels).view(shape)

    return spread


def _enlarge(mode: str) -> Callable:
    def enlarge(drops: Tensor, window: int, stride: int, height: int, width: int) -> Tensor:
        return nn.functional.interpolate(drops[None, None], size=(height, width), mode=mode)[0, 0]

    return enlarge


occlusion_map = Exercise(
    name="occlusion_map",
    task="write fn(drops (rows, columns), window, stride, height, width) -> (height, width): drops[i, j] belongs to "
    "the square window that starts at (i * stride, j * stride); each pixel gets the mean drop of the windows that "
    "cover it.",
    case=_map_case,
    reference=_spread(torch.mean),
    mistakes=(
        (
            "You added the drops up: a pixel in the middle lies under more windows than one in a corner, and would "
            "look more important. Divide by the number of windows.",
            _spread(torch.sum),
        ),
        (
            "Later windows overwrote earlier ones: add the drops up, count, and divide in the end.",
            _spread(lambda drops: drops[-1, -1]),
        ),
        (
            "You kept the first window that covers a pixel. Add the drops up, count, and divide in the end.",
            _spread(lambda drops: drops[0, 0]),
        ),
        ("You kept the largest drop. The mean is asked for.", _spread(torch.amax)),
        ("You kept the largest magnitude. The mean is asked for.", _spread(lambda drops: drops.abs().amax())),
        ("You took the absolute value: a negative drop says that hiding helps.", _spread(lambda d: d.abs().mean())),
        ("The sign is reversed: drops come in as drops.", _spread(lambda drops: -drops.mean())),
        (
            "You returned the number of windows over each pixel: divide the sum by it.",
            _spread(lambda drops: torch.tensor(float(drops.numel()))),
        ),
        (
            "You divided by the number of all windows, or by the window's area. Divide by the number of windows that "
            "cover the pixel.",
            lambda d, w, s, h, b: _spread(torch.sum)(d, w, s, h, b) / d.numel(),
        ),
        (
            "You divided by the number of all windows, or by the window's area. Divide by the number of windows that "
            "cover the pixel.",
            lambda d, w, s, h, b: _spread(torch.sum)(d, w, s, h, b) / w**2,
        ),
        (
            "You enlarged the table of drops to the picture's size: a pixel under several windows then shows one of "
            "them, and not at its place.",
            _enlarge("nearest"),
        ),
        (
            "You enlarged the table of drops smoothly to the picture's size. Average over the windows.",
            _enlarge("bilinear"),
        ),
        ("Rows and columns are exchanged: i goes down the picture.", _spread(torch.mean, transpose=True)),
    ),
)


def _drop_case(generator: torch.Generator) -> tuple:
    model = random_network(generator)
    images = torch.rand(4, 3, 7, 9, generator=generator)
    with torch.no_grad():
        predicted = model(images).argmax(1)
    labels = (predicted + torch.tensor([1, 2, 3, 4])) % 5  # never the predicted class
    masks = torch.rand(4, 7, 9, generator=generator) < torch.tensor([0.2, 0.4, 0.6, 0.8]).view(4, 1, 1)
    return model, images, labels, masks, torch.rand(4, 3, 7, 9, generator=generator)


def _replaced(images: Tensor, masks: Tensor, baseline: Tensor | float) -> Tensor:
    return torch.where(masks[:, None], torch.as_tensor(baseline), images)


def _only_channel_0(images: Tensor, masks: Tensor, baseline: Tensor) -> Tensor:
    hidden = images.clone()
    hidden[:, 0] = torch.where(masks, baseline[:, 0], images[:, 0])
    return hidden


def _drop(hide: Callable = _replaced, score: Callable = picked, compare: Callable = torch.sub) -> Callable:
    @torch.no_grad()
    def drop(model: nn.Module, images: Tensor, labels: Tensor, masks: Tensor, baseline: Tensor) -> Tensor:
        return compare(score(model(images), labels), score(model(hide(images, masks, baseline)), labels))

    return drop


score_drop = Exercise(
    name="score_drop",
    task="write fn(model, images (N, C, H, W), labels (N,), masks (N, H, W) bool, baseline (N, C, H, W)) -> (N,): how "
    "much the label's logit falls when the pixels under the mask show the baseline instead.",
    case=_drop_case,
    reference=_drop(),
    mistakes=(
        ("The sign is reversed: a drop is before minus after.", _drop(compare=lambda before, after: after - before)),
        (
            "That is the score that is left: subtract it from the one before.",
            _drop(compare=lambda before, after: after),
        ),
        ("That is the score of the image as it came: nothing was hidden.", _drop(compare=lambda before, after: before)),
        ("You hid what lies outside of the mask.", _drop(lambda x, m, b: _replaced(x, ~m, b))),
        ("You replaced the whole image by the baseline.", _drop(lambda x, m, b: b)),
        ("You hid the first colour channel only: masks[:, None] reaches all of them.", _drop(_only_channel_0)),
        (
            "You made the hidden pixels black: they should show the baseline.",
            _drop(lambda x, m, b: _replaced(x, m, 0.0)),
        ),
        (
            "You made the hidden pixels grey: they should show the baseline.",
            _drop(lambda x, m, b: _replaced(x, m, 0.5)),
        ),
        (
            "You added the baseline to the hidden pixels: they should show it and nothing else.",
            _drop(lambda x, m, b: x + m[:, None] * b),
        ),
        (
            "You took the drop of a softmax probability. Take the logit.",
            _drop(score=lambda z, y: picked(z.softmax(1), y)),
        ),
        (
            "You took the drop of the log-softmax, in which the other classes speak as well. Take the logit.",
            _drop(score=lambda z, y: picked(z.log_softmax(1), y)),
        ),
        (
            "You took the largest logit, also after hiding, where another class may be on top: keep to the label.",
            _drop(score=lambda z, y: z.amax(1)),
        ),
        (
            "You took the absolute value: a score that rises is a negative drop.",
            _drop(compare=lambda a, b: (a - b).abs()),
        ),
        (
            "You divided by the score before: the plain difference is asked for.",
            _drop(compare=lambda a, b: (a - b) / a),
        ),
        (
            "You returned the mean over the batch: one drop for each image is asked for.",
            _drop(compare=lambda a, b: (a - b).mean()),
        ),
        ("You returned the drops of all classes: pick the label's.", _drop(score=lambda z, y: z)),
    ),
)
