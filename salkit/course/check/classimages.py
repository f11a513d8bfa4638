"""Exercises about class images: how rough one is, one step uphill, and undoing the jitter."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .cases import between, every_logit, gradient, labelled_images, sizes
from .exercise import Exercise, Mistake


def _images_case(generator: torch.Generator, k: int = 0) -> tuple:
    n = sizes(k)[0]
    # The contrasts differ, so that a mixed-up batch shows.
    return (torch.rand(sizes(k), generator=generator) * torch.linspace(0.2, 1, n).view(n, 1, 1, 1),)


def _down(images: Tensor) -> Tensor:
    return images[:, :, 1:] - images[:, :, :-1]


def _across(images: Tensor) -> Tensor:
    return images[..., 1:] - images[..., :-1]


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


total_variation = Exercise(
    name="total_variation",
    task="write fn(images (N, C, H, W)) -> (N,): the mean absolute difference of neighbours in a column plus that of "
    "neighbours in a row, of each image.",
    case=_images_case,
    reference=lambda x: _mean(_down(x).abs()) + _mean(_across(x).abs()),
    mistakes=(
        Mistake(
            "You left out the absolute value: rises and falls cancel, and what is left is the border.",
            lambda x: _mean(_down(x)) + _mean(_across(x)),
        ),
        Mistake(
            "You squared the differences. Total variation takes their absolute value.",
            lambda x: _mean(_down(x).square()) + _mean(_across(x).square()),
        ),
        Mistake("You compared only pixels above each other. Add the neighbours in a row.", lambda x: _mean(_down(x).abs())),
        Mistake("You compared only pixels beside each other. Add those in a column.", lambda x: _mean(_across(x).abs())),
        Mistake(
            "You added the differences up. Take the mean of each direction, so that the size of the image plays no "
            "part.",
            lambda x: _down(x).abs().flatten(1).sum(1) + _across(x).abs().flatten(1).sum(1),
        ),
    ),
)  # fmt: skip


def _ascent_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    # The largest step is of half the range: some pixels are pushed out of [0, 1], most are not.
    return model, images, labels, 0.5 / gradient(model, images, labels).abs().max().item()


ascent_step = Exercise(
    name="ascent_step",
    task="write fn(model, images (N, C, H, W) in [0, 1], labels (N,), lr) -> (N, C, H, W): the images after one step "
    "of gradient ascent on the label's logit, back in [0, 1]; the network comes in evaluation mode.",
    case=_ascent_case,
    reference=lambda m, x, y, lr: (x + lr * gradient(m, x, y)).clamp(0, 1),
    mistakes=(
        Mistake(
            "You took the sign of the gradient: every pixel then moves equally far. That is the attack of the next "
            "chapter.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y).sign()).clamp(0, 1),
        ),
        Mistake(
            "You climbed all logits together: pick the one of each image's label first.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y, every_logit)).clamp(0, 1),
        ),
        Mistake(
            "You took the mean over the batch, so an image's step depends on how many others came with it. "
            "Take the sum.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y) / len(x)).clamp(0, 1),
        ),
        Mistake("You returned the step alone: add it to the images.", lambda m, x, y, lr: lr * gradient(m, x, y)),
    ),
)


def _jitter_case(generator: torch.Generator, k: int = 0) -> tuple:
    # Never 0, never equal, and no shift is its own inverse. In a set each has both signs.
    rows, columns = between(generator, 1, 2) * (-1) ** k, 4 * (-1) ** (k // 2)
    return torch.randn(*sizes(k)[:2], *((7, 9), (9, 7))[k % 2], generator=generator), rows, columns


undo_jitter = Exercise(
    name="undo_jitter",
    task="write fn(gradients (N, C, H, W), rows, columns) -> (N, C, H, W). The network saw "
    "images.roll((rows, columns), (2, 3)), and these are the gradients at what it saw: bring them back to the pixels "
    "of the images.",
    case=_jitter_case,
    reference=lambda g, rows, columns: g.roll((-rows, -columns), (2, 3)),
    mistakes=(
        Mistake(
            "You rolled in the same direction once more: to go back, roll by -rows and -columns.",
            lambda g, rows, columns: g.roll((rows, columns), (2, 3)),
        ),
        Mistake("You returned them as they came: they lie where the network saw them.", lambda g, rows, columns: g),
        Mistake(
            "What went out at one edge came in at the other: bring it back, too, instead of filling up with zeros.",
            lambda g, rows, columns: F.pad(g, (-columns, columns, -rows, rows)),  # negative padding crops
        ),
    ),
)
