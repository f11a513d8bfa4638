"""The exercises on sharper gradients agree with the package, and learners' own solutions pass."""

import copy

import torch
from torch import nn

from salkit import attribution
from salkit.course import check


def gradient(model, images, labels):
    images = images.detach().clone().requires_grad_()
    score = model(images)[torch.arange(len(labels)), labels].sum()
    return torch.autograd.grad(score, images)[0]


def test_smoothgrad_agrees_with_the_package():
    model, images, labels, noise = check.smoothgrad.case(torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(5)
    noise = torch.stack([0.2 * torch.randn(noise.shape[1:], generator=draws) for _ in noise])
    theirs = attribution.smoothgrad(model, images, labels, n_samples=len(noise), sigma=0.2, seed=5)
    torch.testing.assert_close(check.smoothgrad.reference(model, images, labels, noise), theirs)


def test_integrated_gradients_agrees_with_the_package():
    model, images, labels, baseline, n_steps = check.integrated_gradients.case(torch.Generator().manual_seed(0))
    ours = check.integrated_gradients.reference(model, images, labels, baseline, n_steps)
    options = dict(baseline=baseline, n_steps=n_steps, rule="midpoint")
    theirs = attribution.integrated_gradients(model, images, labels, **options)
    torch.testing.assert_close(ours, theirs)


def test_the_guided_rule_is_that_of_the_package():
    x, g = check.guided_rule.case(torch.Generator().manual_seed(0))
    # One rectifier and a linear layer: the score is sum(g * relu(x)), so g is what arrives.
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(x.numel(), 2, bias=False))
    with torch.no_grad():
        model[2].weight[1] = g.flatten()
    theirs = attribution.guided_backprop(model, x[None], 1)[0]
    torch.testing.assert_close(check.guided_rule.reference(x, g), theirs)


def test_smoothgrad_solutions():
    def in_one_pass(model, images, labels, noise):
        noisy = (images + noise[:, None]).flatten(0, 1)
        return gradient(model, noisy, labels.repeat(len(noise))).unflatten(0, (len(noise), -1)).mean(0)

    def running_sum(model, images, labels, noise):
        total = 0
        for one in noise:
            total = total + gradient(model, images + one, labels)
        return (total / len(noise)).numpy()

    assert check.smoothgrad(in_one_pass)
    assert check.smoothgrad(running_sum)


def test_integrated_gradients_solution_in_one_pass():
    def in_one_pass(model, images, labels, baseline, n_steps):
        alphas = torch.linspace(0.5, n_steps - 0.5, n_steps) / n_steps
        line = torch.lerp(torch.full_like(images, baseline), images, alphas.view(-1, 1, 1, 1, 1))
        found = gradient(model, line.flatten(0, 1), labels.repeat(n_steps))
        return (images - baseline) * found.unflatten(0, (n_steps, -1)).mean(0)

    assert check.integrated_gradients(in_one_pass)


def test_guided_rule_solutions():
    assert check.guided_rule(lambda x, g: torch.where((x > 0) & (g > 0), g, torch.zeros_like(g)))
    assert check.guided_rule(lambda x, g: g.clamp(min=0) * (x > 0))
    hint = check.guided_rule(lambda x, g: g.copy_(g.clamp(min=0) * (x > 0))).hint
    assert "changed in place" in hint


def test_smoothgrad_in_train_mode_gets_its_hint_even_when_it_is_put_back():
    def forgetful(model, images, labels, noise):
        trained = copy.deepcopy(model).train()
        return torch.stack([gradient(trained, images + one, labels) for one in noise]).mean(0)

    assert "train mode" in check.smoothgrad(forgetful).hint
