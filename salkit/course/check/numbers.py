"""Exercises about networks and their numbers: sizes, parameters, accuracy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cases import between, picked
from .exercise import Exercise, Mistake
from .relations import LastStep


class _Network(nn.Module):
    """Layers in a layer, a parameter of its own, a frozen layer, and a weight that two layers share."""

    def __init__(self, a: int, b: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(a, 1))
        self.features = nn.Sequential(nn.Sequential(nn.Conv2d(3, a, 3), nn.BatchNorm2d(a)), nn.ReLU())
        self.features[0][0].requires_grad_(False)
        self.encode, self.decode = nn.Linear(b, b, bias=False), nn.Linear(b, b)
        self.decode.weight = self.encode.weight


def _parameters_case(generator: torch.Generator, k: int = 0) -> tuple:
    network = _Network(between(generator, 3, 12), between(generator, 3, 12))
    return (nn.Sequential(network, nn.Flatten(), nn.Linear(between(generator, 3, 9), 5)) if k % 2 else network,)


count_parameters = Exercise(
    name="count_parameters",
    task="write fn(model) -> int: the number of weights and biases, frozen ones included and buffers not.",
    case=_parameters_case,
    reference=lambda model: sum(p.numel() for p in model.parameters()),
    mistakes=(
        Mistake(
            "You counted buffers too: BatchNorm's running statistics are in state_dict(), and they aren't trained.",
            lambda model: sum(t.numel() for t in model.state_dict().values()),
        ),
        Mistake(
            "You left out the frozen parameters: they don't need a gradient here, and they still are parameters.",
            lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad),
        ),
        Mistake(
            "A weight that two layers share was counted twice: model.parameters() has it once.",
            lambda model: sum(p.numel() for m in model.modules() for p in m.parameters(recurse=False)),
        ),
        Mistake("You counted tensors, not the numbers in them: numel().", lambda model: len([*model.parameters()])),
    ),
)


conv_output_size = Exercise(
    name="conv_output_size",
    task="write fn(size, kernel, stride, padding) -> int: how many pixels a convolution leaves along one axis.",
    case=lambda generator: tuple(between(generator, *ends) for ends in ((12, 64), (2, 7), (1, 5), (0, 3))),
    reference=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1,
    mistakes=(
        Mistake("The padding is on both sides: 2 * padding.", lambda n, k, s, p: (n + p - k) // s + 1),
        Mistake(
            "Round down, not up: a window that doesn't fit isn't taken.",
            lambda n, k, s, p: -((k - n - 2 * p) // s) + 1,
        ),
        Mistake("Add the 1 after the division by the stride, not before.", lambda n, k, s, p: (n + 2 * p - k + 1) // s),
    ),
    cases=80,
)


def _accuracy_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, classes = (1 if k == 1 else between(generator, 12, 40)), between(generator, 4, 7)
    logits = 2 * torch.randn(n, classes, generator=generator)
    logits[0] += 20  # so that argmax() without a dimension finds a class, and hits some of the labels
    # Right for the first images, the second choice for the next, and the last for the rest.
    right = between(generator, 2, n // 2) if n > 1 else 1
    choice = torch.tensor(([0] * right + [1] * 3 + [classes - 1] * n)[:n])
    return logits, logits.argsort(1, descending=True).gather(1, choice[:, None])[:, 0]


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(1) == labels).double()


accuracy = Exercise(
    name="accuracy",
    task="write fn(logits (N, classes), labels (N,)) -> a number in [0, 1]: the share of images whose largest logit is "
    "their label's.",
    case=_accuracy_case,
    reference=lambda logits, labels: _hits(logits, labels).mean(),
    mistakes=(
        Mistake("argmax needs the dimension of the classes, 1.", lambda z, y: (z.argmax() == y).double().mean()),
        Mistake(
            "You averaged the probability of the right class. Accuracy counts whether it is the largest.",
            lambda z, y: picked(z.softmax(1), y).mean(),
        ),
        Mistake("You took the smallest logit, argmin.", lambda z, y: (z.argmin(1) == y).double().mean()),
    ),
    last_step=LastStep("answer for each image, 1 for a hit and 0 for a miss", _hits),
    cases=8,
)
