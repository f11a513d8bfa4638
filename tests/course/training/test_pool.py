"""The gradient of a max pool comes in the layout of its images, with the same values, and nothing else changes."""

from contextlib import nullcontext

import pytest
import torch
from tiny import OPTIONS, TRAIN, VAL, same
from torch import nn

from salkit.course.training import fit, loop
from salkit.course.training.pool import gradients_in_layout

LAST = torch.channels_last


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, 3))


def gradients(model, x, in_block: bool):
    """That of the pooled maps, as it comes to the pool, and that of the images."""
    arrived = []
    with gradients_in_layout(model, LAST, False) if in_block else nullcontext():
        pooled = model[:2](x)
        pooled.register_hook(arrived.append)  # after that of the block, and called after it
        (to_x,) = torch.autograd.grad(model[2:](pooled).square().sum(), x)
    return arrived[0], to_x


def test_the_gradient_comes_in_the_layout_of_the_images():
    model = network().to(memory_format=LAST)
    x = torch.rand(4, 3, 8, 8).contiguous(memory_format=LAST).requires_grad_()
    before, expected = gradients(model, x, in_block=False)
    arrived, got = gradients(model, x, in_block=True)
    assert not before.is_contiguous(memory_format=LAST), "torch does it by itself: the block is no longer needed"
    assert arrived.is_contiguous(memory_format=LAST)
    assert torch.equal(arrived, before) and torch.equal(got, expected)


@pytest.mark.parametrize("layout, compiled", [(torch.contiguous_format, False), (LAST, True)])
def test_other_layouts_and_compiled_networks_are_left_alone(layout, compiled):
    model = network()
    with gradients_in_layout(model, layout, compiled):
        assert not any("forward" in vars(module) for module in model)


def test_the_modules_are_left_as_they_were():
    model = network().append(nn.MaxPool2d(2, return_indices=True))
    with pytest.raises(KeyError), gradients_in_layout(model, LAST, False):
        assert [i for i, module in enumerate(model) if "forward" in vars(module)] == [1]
        with torch.no_grad():
            assert model[1](torch.rand(1, 8, 8, 8)).shape == (1, 8, 4, 4)
        raise KeyError
    assert not any("forward" in vars(module) for module in model)


def test_a_training_ends_with_the_same_bits(monkeypatch):
    def trained():
        model = network()
        fit(model, TRAIN, VAL, **OPTIONS, channels_last=True)
        return model

    given = []
    monkeypatch.setattr(loop, "gradients_in_layout", lambda *them: given.append(them) or gradients_in_layout(*them))
    mine = trained()
    assert given[0][1:] == (LAST, False)
    monkeypatch.setattr(loop, "gradients_in_layout", lambda *given: nullcontext())
    assert same(mine, trained())
