"""Exercises about what comes in and out: sizes and counts, photographs, and time series."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def _shape(generator: torch.Generator, k: int) -> tuple[int, int]:
    """Height and width: lying and standing in turn, and an odd rest, so that rounding shows."""
    side = (6, 5, 8, 7)[k % 4]
    shape = side, side + 2 * between(generator, 1, 2) + 1
    return shape if k % 2 else shape[::-1]


def _photo_case(generator: torch.Generator, k: int = 0) -> tuple:
    return (torch.randint(0, 256, (*_shape(generator, k), 3), dtype=torch.uint8, generator=generator),)


def _cut(photo: Tensor, start=lambda rest: rest // 2) -> Tensor:
    """The square ``(S, S, 3)`` that starts at ``start(rest)`` of what is too long, in [0, 1]."""
    side = min(photo.shape[:2])
    top, left = (start(size - side) for size in photo.shape[:2])
    return photo[top : top + side, left : left + side] / 255


middle_square = Exercise(
    name="middle_square",
    task="write fn(photo (H, W, 3) uint8) -> (3, S, S): the largest square in the middle, in [0, 1]; S is the shorter "
    "side.",
    case=_photo_case,
    reference=lambda photo: _cut(photo).permute(2, 0, 1),
    mistakes=(
        Mistake(
            "reshape doesn't move an axis, it only counts differently, and the picture is scrambled: permute(2, 0, 1).",
            lambda p: _cut(p).reshape(3, *_cut(p).shape[:2]),
        ),
        Mistake(
            "You cut at the upper left, not in the middle.",
            lambda p: _cut(p, lambda rest: 0).permute(2, 0, 1),
        ),
        Mistake(
            "The rest is odd, and you cut the larger part off above or at the left: round down, (H - S) // 2.",
            lambda p: _cut(p, lambda rest: (rest + 1) // 2).permute(2, 0, 1),
        ),
        Mistake(
            "You squashed the whole photograph into the square: cut it, so that round things stay round.",
            lambda p: F.interpolate(
                p.permute(2, 0, 1)[None] / 255, [min(p.shape[:2])] * 2, mode="bilinear", antialias=True
            )[0],
        ),
    ),
)


def _map_case(generator: torch.Generator, k: int = 0) -> tuple:
    height, width = _shape(generator, k)
    side = min(height, width)
    return 0.1 + torch.rand(side, side, generator=generator), height, width


def _put(square: Tensor, height: int, width: int, start=lambda rest: rest // 2) -> Tensor:
    """The square in a map of zeros, where it leaves ``start(rest)`` above and at the left."""
    rests = height - len(square), width - len(square)
    top, left = map(start, rests)
    return F.pad(square, (left, rests[1] - left, top, rests[0] - top))


placed_back = Exercise(
    name="placed_back",
    task="write fn(square_map (S, S), height, width) -> (height, width): the map where its middle square was cut out, "
    "zeros elsewhere; S is the shorter of height and width.",
    case=_map_case,
    reference=_put,
    mistakes=(
        Mistake(
            "You stretched the map over the whole photograph, also over what the network never saw: put it back where "
            "the square was cut out.",
            lambda m, h, w: F.interpolate(m[None, None], (h, w), mode="bilinear")[0, 0],
        ),
        Mistake(
            "You put the map at the upper left: the square was in the middle.",
            lambda m, h, w: _put(m, h, w, lambda rest: 0),
        ),
        Mistake(
            "The map is one pixel too low or too far to the right: round down, (height - S) // 2.",
            lambda m, h, w: _put(m, h, w, lambda rest: (rest + 1) // 2),
        ),
    ),
)


def _group_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, classes, size = ((4, 7, 3), (1, 6, 2), (3, 9, 4), (5, 8, 1))[k % 4]
    return 2 * torch.randn(n, classes, generator=generator), torch.randperm(classes, generator=generator)[
        :size
    ].tolist()


group_probability = Exercise(
    name="group_probability",
    task="write fn(logits (N, classes), members: a list of class numbers) -> (N,): the probability that the class is "
    "one of the members.",
    case=_group_case,
    reference=lambda z, g: z.softmax(1)[:, g].sum(1),
    mistakes=(
        Mistake(
            "You took the softmax among the members only, so they always add up to 1: first the softmax over all "
            "classes, then the members.",
            lambda z, g: z[:, g].softmax(1).sum(1),
            constant=True,
        ),
        Mistake("You added up logits: take the softmax first.", lambda z, g: z[:, g].sum(1)),
        Mistake(
            "A sigmoid treats each class on its own: ImageNet's probabilities are a softmax over all of them.",
            lambda z, g: z.sigmoid()[:, g].sum(1),
        ),
        Mistake(
            "You took the softmax over the images: the classes are axis 1.", lambda z, g: z.softmax(0)[:, g].sum(1)
        ),
    ),
    last_step=LastStep("probabilities of the members", lambda z, g: z.softmax(1)[:, g]),
)


def _windows_case(generator: torch.Generator) -> tuple:
    length = between(generator, 3, 7)
    # Never a multiple, so that windows laid side by side leave a rest; at least three of them.
    total = 3 * (length + 1) + between(generator, 1, length)
    return torch.rand(total, generator=generator), length


def _windows(values: Tensor, length: int, step: int = 1) -> Tensor:
    return values.unfold(0, length + 1, step).clone()


cut_windows = Exercise(
    name="cut_windows",
    task="write fn(values (T,), length) -> (T - length, length + 1): in each row so many values one after the other, "
    "oldest first, and in its last column the value that follows them.",
    case=_windows_case,
    reference=_windows,
    mistakes=(
        Mistake(
            "The last column repeats the last value of the window: a forecast of what is already known. It should hold "
            "the value after that.",
            lambda v, n: _windows(v, n)[:, [*range(n), n - 1]],
        ),
        Mistake(
            "The last column is two steps ahead: the very next value is asked for.",
            lambda v, n: _windows(v, n + 1)[:, [*range(n), n + 1]],
        ),
        Mistake(
            "The windows lie side by side: one starts at every value, so they overlap.",
            lambda v, n: _windows(v, n, n + 1),
        ),
        Mistake("The targets are missing: one more column.", lambda v, n: _windows(v, n)[:, :-1]),
    ),
)


def _scaling_case(generator: torch.Generator) -> tuple:
    total, n_train = between(generator, 30, 50), between(generator, 8, 20)
    trend = torch.linspace(100, 600, total)
    return trend + 30 * torch.randn(total, generator=generator), n_train


def _scale(values: Tensor, known: Tensor, correction: int = 1) -> Tensor:
    return (values - known.mean()) / known.std(correction=correction)


scale_without_leak = Exercise(
    name="scale_without_leak",
    task="write fn(values (T,), n_train) -> (T,): the whole series, oldest first, minus the mean and divided by the "
    "standard deviation (.std()) of its first n_train values, the only ones that may be known.",
    case=_scaling_case,
    reference=lambda values, n: _scale(values, values[:n]),
    mistakes=(
        Mistake(
            "Mean and standard deviation are those of the whole series: that is the leak. Take them from "
            "values[:n_train].",
            lambda v, n: _scale(v, v),
        ),
        Mistake(
            "The part after n_train is scaled with statistics of its own: the same two numbers belong everywhere, or "
            "the trend is gone.",
            lambda v, n: torch.cat([_scale(v[:n], v[:n]), _scale(v[n:], v[n:])]),
        ),
        Mistake(
            "You divided by n_train under the root: .std() divides by n_train - 1.",
            lambda v, n: _scale(v, v[:n], correction=0),
        ),
        Mistake(
            "Brackets are missing: without them only the mean is divided. (values - mean) / std.",
            lambda v, n: v - v[:n].mean() / v[:n].std(),
        ),
        Mistake("Only the first n_train values came back: scale the whole series.", lambda v, n: _scale(v[:n], v[:n])),
    ),
)


def _naive_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, length = (1 if k == 1 else between(generator, 8, 16)), between(generator, 3, 7)
    walk = 300 + 20 * torch.randn(n, length + 1, generator=generator).cumsum(1)
    return walk[:, :-1], walk[:, -1]


def _misses(inputs: Tensor, targets: Tensor) -> Tensor:
    return inputs[:, -1] - targets


naive_error = Exercise(
    name="naive_error",
    task="write fn(inputs (N, length), targets (N,)) -> a number: the mean absolute error of the forecast "
    '"as in the month before", which is the last value of each window.',
    case=_naive_case,
    reference=lambda x, y: _misses(x, y).abs().mean(),
    mistakes=(
        Mistake(
            "You forecast by the first, the oldest value of the window: the last is the newest.",
            lambda x, y: (x[:, 0] - y).abs().mean(),
        ),
        Mistake(
            "x[-1] is the last window. The last value of each window is x[:, -1].",
            lambda x, y: (x[-1, -1] - y).abs().mean(),
        ),
        Mistake(
            "An (N, 1) minus an (N,) is an (N, N) table, every forecast against every target: x[:, -1], not x[:, -1:].",
            lambda x, y: (x[:, -1:] - y).abs().mean(),
        ),
    ),
    last_step=LastStep("misses", _misses),
    cases=24,  # so many that the mean error has either sign, and leaving out the absolute value shows
)
