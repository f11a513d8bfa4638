"""Intervals agree with theory and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from salkit.errors import InputError
from salkit.evaluation import Interval, mean_interval, paired_difference


def test_interval_agrees_with_scipy_and_theory():
    values = np.random.default_rng(1).normal(3, 2, size=400)
    ours = mean_interval(values, n_resamples=4000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile").confidence_interval
    half_width = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.2 * half_width)
    assert ours.high - ours.low == pytest.approx(2 * half_width, rel=0.1)


def test_about_95_percent_of_intervals_cover_the_true_mean():
    draws = np.random.default_rng(2).exponential(size=(200, 60))
    intervals = [mean_interval(row, n_resamples=400) for row in draws]
    covered = sum(interval.low <= 1 <= interval.high for interval in intervals)
    assert 176 <= covered <= 199


def test_same_seed_same_interval_and_other_seed_another():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values).low != mean_interval(values, seed=1).low


def test_chunks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(size=30)
    whole = mean_interval(values)
    monkeypatch.setattr("salkit.evaluation.statistics._CHUNK", 100)
    assert mean_interval(values) == whole


def test_nan_is_dropped_and_counted():
    interval = mean_interval([1.0, math.nan, 3.0, math.nan])
    assert (interval.mean, interval.n) == (2.0, 2)
    assert interval == mean_interval([1.0, 3.0])


@pytest.mark.parametrize("values, mean, n", [([], math.nan, 0), ([math.nan], math.nan, 0), ([2.0], 2.0, 1)])
def test_fewer_than_two_values_have_no_interval(values, mean, n):
    interval = mean_interval(values)
    assert interval.mean == pytest.approx(mean, nan_ok=True) and interval.n == n
    assert math.isnan(interval.low) and math.isnan(interval.high)


def test_interval_prints_for_a_table():
    interval = Interval(0.4119, 0.3981, 0.4271, 200)
    assert str(interval) == "0.412 [0.398, 0.427] (n = 200)"
    assert f"{interval:.1%}" == "41.2% [39.8%, 42.7%] (n = 200)"


def test_overlap():
    low, middle, high = (Interval(m, m - 1, m + 1, 9) for m in (0, 1.5, 3))
    assert low.overlaps(middle) and middle.overlaps(low) and middle.overlaps(high)
    assert not low.overlaps(high) and not high.overlaps(low)
    assert mean_interval([1.0]).overlaps(low)


def test_paired_difference_sees_what_two_intervals_hide():
    generator = np.random.default_rng(0)
    difficulty = generator.normal(0, 1, size=100)
    a, b = difficulty + 0.1, difficulty + generator.normal(0, 0.05, size=100)
    assert mean_interval(a).overlaps(mean_interval(b))
    difference = paired_difference(a, b)
    assert 0 < difference.low < 0.1 < difference.high
    assert paired_difference([1.0, math.nan, 3.0], [0.0, 1.0, math.nan]).n == 1


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="level"):
        mean_interval([1.0, 2.0], level=95)
    with pytest.raises(InputError, match="n_resamples"):
        mean_interval([1.0, 2.0], n_resamples=0)
    with pytest.raises(InputError, match="one-dimensional"):
        mean_interval([[1.0, 2.0]])
    with pytest.raises(InputError, match="same images"):
        paired_difference([1.0, 2.0], [1.0])
