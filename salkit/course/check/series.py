"""Exercises about time series: cutting windows, scaling without a look at the future, the error to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from .exercise import Exercise


def _between(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


# --- windows


def _windows_case(generator: torch.Generator) -> tuple:
    length = _between(generator, 3, 7)
    # Never a multiple, so that windows laid side by side leave a rest; at least three of them.
    total = 3 * (length + 1) + _between(generator, 1, length)
    return torch.rand(total, generator=generator), length


def _windows(values: Tensor, length: int, step: int = 1) -> Tensor:
    return values.unfold(0, length + 1, step).clone()


def _inputs(values: Tensor, length: int) -> Tensor:
    return _windows(values, length)[:, :-1]


def _ahead(values: Tensor, length: int, horizon: int) -> Tensor:
    """Rows with the value ``horizon`` steps after the window's last."""
    rows = values.unfold(0, length + max(horizon, 0), 1)
    return torch.cat([rows[:, :length], rows[:, length + horizon - 1, None]], 1)


cut_windows = Exercise(
    name="cut_windows",
    task="write fn(values (T,), length) -> (T - length, length + 1): in each row so many values one after the other, "
    "oldest first, and in its last column the value that follows them.",
    case=_windows_case,
    reference=_windows,
    mistakes=(
        (
            "The last column repeats the last value of the window: a forecast of what is already known. It should hold "
            "the value after that.",
            lambda v, n: _ahead(v, n, 0)[:-1],
        ),
        (
            "The last column repeats the last value of the window, and there is one row too many: the last window has "
            "nothing left to forecast.",
            lambda v, n: _ahead(v, n, 0),
        ),
        ("The last column is two steps ahead: the very next value is asked for.", lambda v, n: _ahead(v, n, 2)),
        ("One row is missing: the last value of the series is a target, too.", lambda v, n: _windows(v, n)[:-1]),
        ("One row is missing: the first window starts at the first value.", lambda v, n: _windows(v, n)[1:]),
        (
            "The windows lie side by side: one starts at every value, so they overlap.",
            lambda v, n: _windows(v, n, n + 1),
        ),
        (
            "A window starts where the one before ended: one starts at every value, so they overlap.",
            lambda v, n: _windows(v, n, n),
        ),
        ("The rows run backwards: the oldest value comes first.", lambda v, n: _windows(v, n).flip(1)),
        (
            "The windows run backwards: the oldest value comes first.",
            lambda v, n: torch.cat([_inputs(v, n).flip(1), v[n:, None]], 1),
        ),
        ("The rows come in reverse order: the first window is the oldest.", lambda v, n: _windows(v, n).flip(0)),
        ("The targets are missing: one more column.", _inputs),
        ("The target stands in the first column: it belongs in the last.", lambda v, n: _windows(v, n).roll(1, 1)),
        ("Rows and columns are exchanged: one row for each window.", lambda v, n: _windows(v, n).T),
    ),
)


# --- scaling


def _scaling_case(generator: torch.Generator) -> tuple:
    total, n_train = _between(generator, 30, 50), _between(generator, 8, 20)
    trend = torch.linspace(100, 600, total)
    return trend + 30 * torch.randn(total, generator=generator), n_train


def _scale(values: Tensor, known: Tensor) -> Tensor:
    return (values - known.mean()) / known.std()


scale_without_leak = Exercise(
    name="scale_without_leak",
    task="write fn(values (T,), n_train) -> (T,): the whole series, oldest first, minus the mean and divided by the "
    "standard deviation (.std()) of its first n_train values, the only ones that may be known.",
    case=_scaling_case,
    reference=lambda values, n: _scale(values, values[:n]),
    mistakes=(
        (
            "Mean and standard deviation are those of the whole series: that is the leak. Take them from "
            "values[:n_train].",
            lambda v, n: _scale(v, v),
        ),
        (
            "The mean is that of the whole series: a part of the future has leaked in. values[:n_train].mean().",
            lambda v, n: (v - v.mean()) / v[:n].std(),
        ),
        (
            "The standard deviation is that of the whole series: a part of the future has leaked in. "
            "values[:n_train].std().",
            lambda v, n: (v - v[:n].mean()) / v.std(),
        ),
        (
            "The part after n_train is scaled with statistics of its own: the same two numbers belong everywhere, or "
            "the trend is gone.",
            lambda v, n: torch.cat([_scale(v[:n], v[:n]), _scale(v[n:], v[n:])]),
        ),
        (
            "The statistics are those of the last values: the first n_train are the known ones.",
            lambda v, n: _scale(v, v[n:]),
        ),
        ("The statistics are those of the last n_train values: take the first.", lambda v, n: _scale(v, v[-n:])),
        ("Only the first n_train values came back: scale the whole series.", lambda v, n: _scale(v[:n], v[:n])),
        ("You left out the division by the standard deviation.", lambda v, n: v - v[:n].mean()),
        ("You left out the mean.", lambda v, n: v / v[:n].std()),
        (
            "You divided by the variance: the standard deviation is its root.",
            lambda v, n: (v - v[:n].mean()) / v[:n].var(),
        ),
        (
            "You divided by n_train under the root: .std() divides by n_train - 1.",
            lambda v, n: (v - v[:n].mean()) / v[:n].std(correction=0),
        ),
        (
            "You scaled to [0, 1] by the smallest and largest value: mean and standard deviation are asked for.",
            lambda v, n: (v - v[:n].min()) / (v[:n].max() - v[:n].min()),
        ),
        (
            "You scaled to [0, 1], and by values of the whole series: that is the leak.",
            lambda v, n: (v - v.min()) / (v.max() - v.min()),
        ),
        ("Subtract the mean first, then divide.", lambda v, n: v / v[:n].std() - v[:n].mean()),
    ),
)


# --- the naive forecast


def _naive_case(generator: torch.Generator) -> tuple:
    n, length = _between(generator, 8, 16), _between(generator, 3, 7)
    walk = 300 + 20 * torch.randn(n, length + 1, generator=generator).cumsum(1)
    return walk[:, :-1], walk[:, -1]


def _miss(inputs: Tensor, targets: Tensor) -> Tensor:
    return inputs[:, -1] - targets


naive_error = Exercise(
    name="naive_error",
    task="write fn(inputs (N, length), targets (N,)) -> a number: the mean absolute error of the forecast "
    '"as in the month before", which is the last value of each window.',
    case=_naive_case,
    reference=lambda x, y: _miss(x, y).abs().mean(),
    mistakes=(
        ("You left out the absolute value: misses above and below cancel.", lambda x, y: _miss(x, y).mean()),
        (
            "You left out the absolute value, and the difference is the other way round.",
            lambda x, y: -_miss(x, y).mean(),
        ),
        ("That is the absolute value of the mean: take it for each month.", lambda x, y: _miss(x, y).mean().abs()),
        ("That is the mean squared error: take the absolute value.", lambda x, y: _miss(x, y).square().mean()),
        (
            "That is the root of the mean square: take the absolute value.",
            lambda x, y: _miss(x, y).square().mean().sqrt(),
        ),
        ("You added the errors up: take the mean.", lambda x, y: _miss(x, y).abs().sum()),
        ("You returned an error for each month: take the mean.", lambda x, y: _miss(x, y).abs()),
        ("You took the median. The mean is asked for.", lambda x, y: _miss(x, y).abs().median()),
        (
            "You forecast by the first, the oldest value of the window: the last is the newest.",
            lambda x, y: (x[:, 0] - y).abs().mean(),
        ),
        (
            "You forecast by the mean of the window: its last value is asked for.",
            lambda x, y: (x.mean(1) - y).abs().mean(),
        ),
        (
            "You took all values of the window: only the last is the forecast.",
            lambda x, y: (x - y[:, None]).abs().mean(),
        ),
        (
            "x[-1] is the last window. The last value of each window is x[:, -1].",
            lambda x, y: (x[-1, -1] - y).abs().mean(),
        ),
        (
            "You divided by the targets: the error in the series' own unit is asked for.",
            lambda x, y: (_miss(x, y) / y).abs().mean(),
        ),
        (
            "That is the forecast for the window's own last value: compare with the targets.",
            lambda x, y: (x[:, -2] - x[:, -1]).abs().mean(),
        ),
    ),
    cases=24,  # so many that the mean error has either sign, and leaving out the absolute value shows
)
