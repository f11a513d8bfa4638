"""Exercises about time series: cutting windows, scaling without a look at the future, the error to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from .cases import between
from .exercise import Exercise, Mistake
from .relations import LastStep


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
