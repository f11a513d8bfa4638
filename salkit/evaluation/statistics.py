"""Numbers that stand for many images: means with bootstrap intervals, and paired differences.

Reference: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import InputError, require

# Resampled values held in memory at a time: 16 MiB of float64.
_CHUNK = 2**21


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` images and its bootstrap interval; prints like ``0.412 [0.398, 0.427] (n = 200)``.

    Attributes:
        mean: of the values that were not NaN; NaN when there was none.
        low, high: ends of the interval, in the values' own units; NaN when ``n < 2``.
        n: how many values were not NaN.
        level: probability that such an interval covers the true mean.

    Example:
        >>> from salkit import evaluation
        >>> print(evaluation.Interval(mean=0.412, low=0.398, high=0.427, n=200))
        0.412 [0.398, 0.427] (n = 200)
    """

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        return format(self, ".3f")

    def __format__(self, spec: str) -> str:
        """``f"{interval:.1%}"`` formats the three numbers alike; three decimals without a format."""
        mean, low, high = (format(value, spec or ".3f") for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}] (n = {self.n})"

    def overlaps(self, other: Interval) -> bool:
        """Whether the two intervals have a value in common. An undefined interval could lie anywhere: True."""
        return not (self.high < other.low or other.high < self.low)


def mean_interval(
    values: Tensor | np.ndarray | Sequence[float], *, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of one score over images, with its percentile bootstrap interval.

    The images are drawn again with replacement ``n_resamples`` times; the interval holds the middle ``level``
    of the means. It speaks of other images of the same kind, not of other trainings of the network.

    Args:
        values: ``(N,)``, one score for each image. NaN (a score that isn't defined for its image) is dropped;
            the interval's ``n`` says how many values are left.
        level: between 0 and 1.
        n_resamples: how often the images are drawn again.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        InputError: values that are not one-dimensional, or an option out of range.

    Example:
        >>> from salkit import evaluation
        >>> print(evaluation.mean_interval([0.2, 0.4, 0.4, 0.6, float("nan")]))
        0.400 [0.250, 0.550] (n = 4)
    """
    require("level", level, 0 < level < 1, "between 0 and 1")
    require("n_resamples", n_resamples, n_resamples >= 1, "at least 1")
    values = _vector(values)
    values = values[~np.isnan(values)]
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n, level)
    generator = np.random.default_rng(seed)
    means = np.empty(n_resamples)
    step = max(1, _CHUNK // n)
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        means[start : start + rows] = values[generator.integers(n, size=(rows, n))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), n, level)


def paired_difference(a, b, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``a - b`` over the same images: two methods compared, the images' own difficulty cancelled.

    An interval that leaves out 0 is a difference to speak of. Two overlapping `mean_interval` s don't
    say that there is none: their images are the same, and only the paired difference uses that.

    Args:
        a, b: ``(N,)`` scores of the same images in the same order. An image with a NaN in either is dropped.
        level, n_resamples, seed: as for `mean_interval`.

    Raises:
        InputError: different lengths, or what `mean_interval` refuses.

    Example:
        >>> from salkit import evaluation
        >>> # image by image, a is better by 0.1
        >>> a, b = [0.2, 0.5, 0.9], [0.1, 0.4, 0.8]
        >>> print(evaluation.paired_difference(a, b))
        0.100 [0.100, 0.100] (n = 3)
        >>> evaluation.mean_interval(a).overlaps(evaluation.mean_interval(b))
        True
    """
    a, b = _vector(a), _vector(b)
    if a.shape != b.shape:
        raise InputError(f"paired scores need the same images, not {len(a)} and {len(b)} of them")
    return mean_interval(a - b, level=level, n_resamples=n_resamples, seed=seed)


def _vector(values) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"values must be one-dimensional, one for each image, not {values.shape}")
    return values
