"""Convolutions as products of matrices give what torch's own give, and leave no trace."""

import pytest
import torch
from tiny import losses_in_16_bits
from torch import nn
from torch.nn import functional as F

from salkit.course.training import convolution

CPU = torch.device("cpu")
SHAPES = [  # kernel, stride, padding
    ((3, 3), (1, 1), (1, 1)),
    ((3, 3), (2, 2), (1, 1)),
    ((1, 1), (2, 2), (0, 0)),
    ((2, 3), (1, 2), (2, 0)),
]


@pytest.fixture
def matrix_unit(monkeypatch):
    """Whatever this machine has."""
    monkeypatch.setattr(convolution, "_has_matrix_unit", lambda: True)


@pytest.mark.parametrize("kernel, stride, padding", SHAPES)
def test_the_product_is_the_convolution_and_so_are_its_gradients(kernel, stride, padding):
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 5, 6), (4, 3, *kernel))
    )
    got = convolution._Product.apply(x, weight, stride, padding)
    expected = F.conv2d(x, weight, stride=stride, padding=padding)
    torch.testing.assert_close(got, expected)
    seed = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for mine, theirs in zip(*(torch.autograd.grad(y, (x, weight), seed) for y in (got, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)


def products(model, x, autocast=True):
    """How many products a pass takes, and its logits."""
    with convolution.products_for_few_pixels(model, CPU), torch.autocast("cpu", enabled=autocast):
        out = model(x)
    names, todo = [], [out.grad_fn]
    while todo:
        if node := todo.pop():
            names.append(node.name())
            todo += [before for before, _ in node.next_functions]
    return names.count("_ProductBackward"), out


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),  # 8 x 8: too many
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Conv2d(8, 4, 3, padding=1, bias=False),
    )


def test_only_plain_convolutions_to_few_pixels_in_16_bits_are_products(matrix_unit):
    model, x = network(), torch.rand(5, 3, 8, 8)
    count, out = products(model, x)
    assert count == 2
    with torch.autocast("cpu"):
        expected = model(x)
    assert out.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(out, expected, atol=0.01, rtol=0.05)
    count, out = products(model, x, autocast=False)
    assert count == 0 and torch.equal(out, model(x))


def test_a_processor_without_matrix_units_keeps_its_convolutions(monkeypatch):
    monkeypatch.setattr(convolution, "_has_matrix_unit", lambda: False)
    assert products(network(), torch.rand(5, 3, 8, 8))[0] == 0


def test_the_modules_are_left_as_they_were(matrix_unit):
    model = network()
    model[0].forward = own = lambda x: x.mean(1, keepdim=True).expand(-1, 8, -1, -1)
    with pytest.raises(KeyError), convolution.products_for_few_pixels(model, CPU):
        assert sum("forward" in vars(module) for module in model) == 3
        raise KeyError
    assert model[0].forward is own
    assert not any("forward" in vars(module) for module in model[1:])


def test_a_training_in_16_bits_takes_them_and_learns_the_same(matrix_unit, monkeypatch):
    def trained():
        torch.manual_seed(0)
        return losses_in_16_bits(nn.Conv2d(3, 8, 3, stride=2, padding=1))

    calls = []
    windows = convolution._windows
    monkeypatch.setattr(convolution, "_windows", lambda *given: calls.append(given) or windows(*given))
    mine = trained()
    assert calls
    monkeypatch.setattr(convolution, "_has_matrix_unit", lambda: False)
    assert mine == pytest.approx(trained(), rel=0.01)
