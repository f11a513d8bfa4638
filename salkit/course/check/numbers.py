"""Exercises about networks and their numbers: sizes, parameters, accuracy."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .cases import picked
from .exercise import Exercise


def _parameters_case(generator: torch.Generator) -> tuple:
    a, b, c, d = torch.randperm(20, generator=generator)[:4].add(3).tolist()
    net = nn.Sequential(
        nn.Conv2d(3, a, 3),
        nn.BatchNorm2d(a),
        nn.ReLU(),
        nn.Conv2d(a, b, 5, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(c, d),
        nn.ReLU(),
    )
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    return (net,)


count_parameters = Exercise(
    name="count_parameters",
    task="write fn(model) -> int: the number of weights and biases, frozen ones included and buffers not.",
    case=_parameters_case,
    reference=lambda model: sum(p.numel() for p in model.parameters()),
    mistakes=(
        (
            "You counted buffers too: BatchNorm's running statistics are in state_dict(), and they aren't trained.",
            lambda model: sum(t.numel() for t in model.state_dict().values()),
        ),
        ("You counted tensors, not the numbers in them: numel().", lambda model: len(list(model.parameters()))),
        (
            "You counted tensors of state_dict(), not the numbers in the parameters: numel().",
            lambda model: len(model.state_dict()),
        ),
        (
            "The biases, and BatchNorm's scales, are parameters too: you counted only tensors with several axes.",
            lambda model: sum(p.numel() for p in model.parameters() if p.ndim > 1),
        ),
        (
            "The biases are parameters too.",
            lambda model: sum(p.numel() for name, p in model.named_parameters() if name.endswith("weight")),
        ),
        (
            "You left out the frozen parameters: they don't need a gradient here, and they still are parameters.",
            lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad),
        ),
        (
            "You counted convolutions and linear layers only: BatchNorm has a scale and a shift to train.",
            lambda model: sum(
                p.numel() for m in model if isinstance(m, (nn.Conv2d, nn.Linear)) for p in m.parameters()
            ),
        ),
        ("You counted bytes.", lambda model: sum(p.numel() * p.element_size() for p in model.parameters())),
        ("len(p) is the size of the first axis only: numel().", lambda model: sum(len(p) for p in model.parameters())),
        ("You counted modules.", lambda model: len(list(model.modules()))),
        ("You counted layers.", lambda model: len(model)),
    ),
)


def _conv_case(generator: torch.Generator) -> tuple:
    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    return between(12, 64), between(2, 7), between(1, 5), between(0, 3)


conv_output_size = Exercise(
    name="conv_output_size",
    task="write fn(size, kernel, stride, padding) -> int: how many pixels a convolution leaves along one axis.",
    case=_conv_case,
    reference=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1,
    mistakes=(
        ("The + 1 is missing: the first position counts as well.", lambda n, k, s, p: (n + 2 * p - k) // s),
        ("The padding is on both sides: 2 * padding.", lambda n, k, s, p: (n + p - k) // s + 1),
        ("You left out the padding.", lambda n, k, s, p: (n - k) // s + 1),
        ("You left out the stride.", lambda n, k, s, p: n + 2 * p - k + 1),
        ("You left out the kernel: its last position ends at the edge.", lambda n, k, s, p: (n + 2 * p) // s + 1),
        ("Round down, not up: a window that doesn't fit isn't taken.", lambda n, k, s, p: -((k - n - 2 * p) // s) + 1),
        ("Add the 1 after the division by the stride, not before.", lambda n, k, s, p: (n + 2 * p - k + 1) // s),
        ("The result must be a whole number: divide with //.", lambda n, k, s, p: (n + 2 * p - k) / s + 1),
        (
            "Round down, not to the nearest: a window that doesn't fit isn't taken.",
            lambda n, k, s, p: math.floor((n + 2 * p - k) / s + 0.5) + 1,
        ),
        ("The padding adds pixels: + 2 * padding, not minus.", lambda n, k, s, p: (n - 2 * p - k) // s + 1),
    ),
    cases=80,
)


def _accuracy_case(generator: torch.Generator) -> tuple:
    n = int(torch.randint(12, 40, (), generator=generator))
    logits = 2 * torch.randn(n, 5, generator=generator)
    logits[0] += 20  # so that argmax() without a dimension finds a class, and hits some of the labels
    order = logits.argsort(1, descending=True)
    # Right for the first images, the second choice for the next, and wrong for the rest.
    right = int(torch.randint(2, n // 2, (), generator=generator))
    rank = torch.tensor([0] * right + [1] * 3 + [4] * (n - right - 3))
    return logits, order.gather(1, rank[:, None])[:, 0]


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.argmax(1) == labels


accuracy = Exercise(
    name="accuracy",
    task="write fn(logits (N, classes), labels (N,)) -> a number in [0, 1]: the share of images whose largest logit is "
    "their label's.",
    case=_accuracy_case,
    reference=lambda logits, labels: _hits(logits, labels).double().mean(),
    mistakes=(
        ("You counted the hits: divide by the number of images.", lambda z, y: _hits(z, y).sum()),
        ("You returned a percentage. A share lies in [0, 1].", lambda z, y: 100 * _hits(z, y).double().mean()),
        ("That is the error rate, 1 - accuracy.", lambda z, y: 1 - _hits(z, y).double().mean()),
        ("You returned one answer for each image: take the mean.", _hits),
        ("argmax over dimension 0 compares images. The classes are dimension 1.", lambda z, y: z.argmax(0) == y),
        ("argmax needs the dimension of the classes, 1.", lambda z, y: (z.argmax() == y).double().mean()),
        ("You took the smallest logit, argmin.", lambda z, y: (z.argmin(1) == y).double().mean()),
        (
            "You averaged the probability of the right class. Accuracy counts whether it is the largest.",
            lambda z, y: picked(z.softmax(1), y).mean(),
        ),
        (
            "You divided by the number of logits. Divide by the number of images, len(labels).",
            lambda z, y: _hits(z, y).sum() / z.numel(),
        ),
        (
            "You divided by the number of classes. Divide by the number of images, len(labels).",
            lambda z, y: _hits(z, y).sum() / z.shape[1],
        ),
        ("You rounded the share to a whole number: / instead of //.", lambda z, y: _hits(z, y).sum() // len(y)),
        (
            "An image counts when its label has the largest logit, not the second largest.",
            lambda z, y: (z.topk(2).indices == y[:, None]).any(1).double().mean(),
        ),
    ),
)
