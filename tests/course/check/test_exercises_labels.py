"""The exercises on comparing maps ask for what the package computes, and natural solutions pass."""

import numpy as np
import torch
from scipy.stats import spearmanr

from salkit import attribution, evaluation, sanity
from salkit.course import check


def _case(exercise, seed: int = 0):
    return exercise.case(torch.Generator().manual_seed(seed))


def test_rank_correlation_is_that_of_the_package():
    a, b = _case(check.rank_correlation)
    theirs = sanity.spearman(a, b)
    torch.testing.assert_close(check.rank_correlation.reference(a, b), theirs)
    assert (theirs.abs() > 0.1).all(), "maps that have something in common"


def test_bootstrap_interval_is_that_of_the_package():
    values, _ = _case(check.bootstrap_interval)
    draws = np.random.default_rng(3).integers(len(values), size=(500, len(values)))
    low, high = check.bootstrap_interval.reference(values.double(), torch.from_numpy(draws))
    theirs = evaluation.mean_interval(values, n_resamples=500, seed=3)
    assert abs(low - theirs.low) < 1e-6 and abs(high - theirs.high) < 1e-6


def test_same_question_is_the_gradient_of_the_package():
    first, second, images = _case(check.same_question)
    with torch.no_grad():
        classes = first(images).argmax(1)
    theirs = [attribution.gradient(model, images, classes).abs().amax(1) for model in (first, second)]
    torch.testing.assert_close(check.same_question.reference(first, second, images), torch.stack(theirs))


def test_natural_solutions_pass():
    assert check.rank_correlation(lambda a, b: [spearmanr(x.flatten(), y.flatten()).statistic for x, y in zip(a, b)])
    assert check.rank_correlation(sanity.spearman)

    def percentiles(values, draws):
        return np.percentile(values.numpy()[draws.numpy()].mean(axis=1), [2.5, 97.5])

    assert check.bootstrap_interval(percentiles)

    def in_turn(first, second, images):
        classes = first(images).argmax(1)
        maps = []
        for model in (first, second):
            leaf = images.clone().requires_grad_()
            score = model(leaf)[torch.arange(len(classes)), classes].sum()
            maps.append(torch.autograd.grad(score, leaf)[0].abs().amax(1))
        return torch.stack(maps)

    assert check.same_question(in_turn)
