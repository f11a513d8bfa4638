"""The exercises on randomised weights ask for what the package computes."""

import torch
from torch import nn

from salkit import attribution, evaluation, sanity
from salkit.course import check


def test_cascade_weights_are_those_of_the_package():
    weights, _ = check.cascade_weights.case(torch.Generator().manual_seed(0))
    model = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in weights))
    with torch.no_grad():
        for layer, weight in zip(reversed(model), weights, strict=True):
            layer.weight.copy_(weight)
    names = [str(i) for i in reversed(range(len(model)))]
    steps = [copy for _, copy in sanity.cascade(model, names, seed=1)]
    noise = torch.stack([layer.weight for layer in reversed(steps[-1])]).detach()
    theirs = torch.stack([torch.stack([layer.weight for layer in reversed(step)]) for step in steps]).detach()
    torch.testing.assert_close(check.cascade_weights.reference(weights, noise), theirs, rtol=0, atol=0)


def test_held_class_is_the_gradient_of_the_package():
    model, randomised, images = check.held_class.case(torch.Generator().manual_seed(0))
    with torch.no_grad():
        kept, repicked = model(images).argmax(1), randomised(images).argmax(1)
    assert (kept != repicked).any()
    theirs = attribution.gradient(randomised, images, kept)
    torch.testing.assert_close(check.held_class.reference(model, randomised, images), theirs)


def test_depth_curve_is_the_mean_that_an_interval_has():
    (values,) = check.depth_curve.case(torch.Generator().manual_seed(0))
    ours = check.depth_curve.reference(values)
    theirs = [evaluation.mean_interval(depth).mean for depth in values.nanmean(0)]
    torch.testing.assert_close(ours.double(), torch.tensor(theirs, dtype=torch.float64))
    assert ours[0] == 1 and ours.isfinite().all()


def test_natural_solutions_pass():
    def cascade(weights, noise):
        current, steps = weights.clone(), []
        for layer in range(len(weights)):
            current[layer] = noise[layer]
            steps.append(current.clone())
        return torch.stack(steps)

    def held(model, randomised, images):
        labels = model(images).argmax(1)
        images = images.clone().requires_grad_()
        score = randomised(images)[torch.arange(len(labels)), labels].sum()
        return torch.autograd.grad(score, images)[0]

    def curve(similarity):
        means = []
        for depth in range(similarity.shape[1]):
            by_image = [s[~s.isnan()].mean() for s in similarity[:, depth].T]
            means.append(torch.stack(by_image).mean())
        return means

    assert check.cascade_weights(cascade)
    assert check.held_class(held)
    assert check.depth_curve(lambda s: torch.stack(curve(s)))
    assert check.depth_curve(curve)


def test_a_cascade_without_copies_is_recognised():
    def forgetful(weights, noise):
        current, steps = weights.clone(), []
        for layer in range(len(weights)):
            current[layer] = noise[layer]
            steps.append(current)
        return torch.stack(steps)

    assert "keep a copy" in check.cascade_weights(forgetful, seed=0).hint
