"""Depthwise convolutions stay in 32 bits in a training in 16 bits on a CPU, give the same, and leave no trace."""

import pytest
import torch
from tiny import losses_in_16_bits
from torch import nn

from salkit.course.training import convolution

CPU = torch.device("cpu")


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),  # groups, and not one to each channel
        nn.Conv2d(8, 16, 3, stride=2, groups=8),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3, padding="same", groups=16),
    )


def types_inside(monkeypatch) -> list[torch.dtype]:
    """In what type each convolution to come is computed, in order: a list that fills."""
    seen, conv2d = [], nn.functional.conv2d

    def noted(x, weight, *more):
        seen.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype)
        return conv2d(x, weight, *more)

    monkeypatch.setattr(nn.functional, "conv2d", noted)
    return seen


def test_only_depthwise_convolutions_stay_in_32_bits(monkeypatch):
    model, x, seen = network(), torch.rand(5, 3, 9, 9), types_inside(monkeypatch)
    half, full = torch.bfloat16, torch.float32
    with convolution.depthwise_in_32_bits(model, CPU), torch.autocast("cpu"):
        out = model(x)
    assert seen == [half, half, full, full]
    with torch.autocast("cpu"):
        expected = model(x)
    assert out.dtype == expected.dtype == half
    torch.testing.assert_close(out, expected, atol=0.05, rtol=0.05)


def test_it_is_the_convolution_in_32_bits_rounded_and_so_are_its_gradients():
    torch.manual_seed(0)
    module, x = nn.Conv2d(6, 6, 3, groups=6), torch.randn(4, 6, 7, 7, dtype=torch.bfloat16, requires_grad=True)
    full = x.detach().float().requires_grad_()
    with convolution.depthwise_in_32_bits(module, CPU), torch.autocast("cpu"):
        out = module(x)
    expected = module(full)
    assert torch.equal(out, expected.bfloat16())
    seed = torch.randn(out.shape).bfloat16()
    inputs, weights = torch.autograd.grad(out, (x, module.weight), seed)
    full_inputs, full_weights = torch.autograd.grad(expected, (full, module.weight), seed.float())
    assert torch.equal(inputs, full_inputs.bfloat16()) and torch.equal(weights, full_weights)


def test_without_autocast_nothing_changes():
    model, x = network(), torch.rand(5, 3, 9, 9, dtype=torch.float64)
    model.double()
    with convolution.depthwise_in_32_bits(model, CPU):
        out = model(x)
    assert out.dtype == torch.float64 and torch.equal(out, model(x))


def test_the_modules_are_left_as_they_were():
    model = network()
    with pytest.raises(KeyError), convolution.depthwise_in_32_bits(model, CPU):
        assert sum("forward" in vars(module) for module in model) == 2
        raise KeyError
    assert not any("forward" in vars(module) for module in model)


def test_on_another_device_nothing_changes():
    model = network()
    with convolution.depthwise_in_32_bits(model, torch.device("meta")):
        assert not any("forward" in vars(module) for module in model)


def test_a_training_in_16_bits_takes_them(monkeypatch):
    def trained():
        torch.manual_seed(0)
        return losses_in_16_bits(nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3))

    calls = []
    inside = convolution._in_32_bits
    monkeypatch.setattr(convolution, "_in_32_bits", lambda *given: calls.append(given) or inside(*given))
    mine = trained()
    assert calls
    monkeypatch.setattr(convolution, "_depthwise", lambda module: False)
    assert mine == pytest.approx(trained(), rel=0.01)
