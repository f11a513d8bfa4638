"""The exercises on sharper gradients agree with the package, and learners' own solutions pass."""

import copy

import pytest
import torch
from torch import nn

from salkit import attribution
from salkit.course import check


def gradient(model, images, labels):
    images = images.detach().clone().requires_grad_()
    score = model(images)[torch.arange(len(labels)), labels].sum()
    return torch.autograd.grad(score, images)[0]


def test_vargrad_agrees_with_the_package():
    model, images, labels, noise = check.vargrad.case(torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(5)
    noise = torch.stack([0.2 * torch.randn(noise.shape[1:], generator=draws) for _ in noise])
    options = dict(n_samples=len(noise), sigma=0.2, seed=5, reduce="var")
    theirs = attribution.smoothgrad(model, images, labels, **options)
    torch.testing.assert_close(check.vargrad.reference(model, images, labels, noise), theirs)


@pytest.mark.filterwarnings("ignore:integrated gradients miss")  # of few points
def test_expected_gradients_agree_with_the_package():
    model, images, labels, baselines, n_steps = check.expected_gradients.case(torch.Generator().manual_seed(0))
    ours = check.expected_gradients.reference(model, images, labels, baselines, n_steps)
    options = dict(baseline=list(baselines), n_steps=n_steps, rule="midpoint")
    theirs = attribution.integrated_gradients(model, images, labels, **options)
    torch.testing.assert_close(ours, theirs)


def test_an_lrp_step_with_a_small_eps_is_input_times_gradient_and_keeps_the_sum_without_biases():
    x, weight, bias, _, _ = check.lrp_step.case(torch.Generator().manual_seed(0))
    layer = nn.Linear(*weight.T.shape)
    layer.load_state_dict({"weight": weight, "bias": bias})
    r = torch.zeros(len(x), len(weight))
    r[:, 1] = layer(x)[:, 1].detach()
    ours = check.lrp_step.reference(x, weight, bias, r, 1e-7)
    torch.testing.assert_close(ours, attribution.input_x_gradient(layer, x, 1))
    without = check.lrp_step.reference(x, weight, 0 * bias, r, 1e-7)
    torch.testing.assert_close(without.sum(1), r.sum(1), rtol=1e-4, atol=1e-4)


def test_vargrad_solutions():
    def in_one_pass(model, images, labels, noise):
        noisy = (images + noise[:, None]).flatten(0, 1)
        found = gradient(model, noisy, labels.repeat(len(noise))).unflatten(0, (len(noise), -1))
        return (found - found.mean(0)).square().mean(0)

    def by_moments(model, images, labels, noise):
        total, squares = 0, 0
        for one in noise:
            found = gradient(model, images + one, labels).double()
            total, squares = total + found, squares + found**2
        return (squares / len(noise) - (total / len(noise)) ** 2).numpy()

    assert check.vargrad(in_one_pass)
    assert check.vargrad(by_moments)


def test_expected_gradients_in_one_pass():
    def in_one_pass(model, images, labels, baselines, n_steps):
        alphas = ((torch.arange(n_steps) + 0.5) / n_steps).view(-1, 1, 1, 1, 1, 1)
        lines = torch.lerp(baselines[:, None], images, alphas)
        found = gradient(model, lines.flatten(0, 2), labels.repeat(n_steps * len(baselines)))
        return ((images - baselines[:, None]) * found.view_as(lines).mean(0)).mean(0)

    assert check.expected_gradients(in_one_pass)


def test_lrp_step_solutions():
    def by_shares(x, weight, bias, r, eps):
        parts = x[:, None] * weight
        z = parts.sum(2) + bias
        return (parts / (z + eps * torch.where(z >= 0, 1, -1))[..., None] * r[..., None]).sum(1)

    def output_by_output(x, weight, bias, r, eps):
        total = torch.zeros_like(x)
        for k in range(len(weight)):
            z = x @ weight[k] + bias[k]
            total += x * weight[k] * (r[:, k] / (z + eps * z.sign()))[:, None]
        return total

    assert check.lrp_step(by_shares)
    assert check.lrp_step(output_by_output)


def test_vargrad_in_train_mode_gets_its_hint_even_when_it_is_put_back():
    def forgetful(model, images, labels, noise):
        trained = copy.deepcopy(model).train()
        return torch.stack([gradient(trained, images + one, labels) for one in noise]).var(0, correction=0)

    assert "train mode" in check.vargrad(forgetful).hint
