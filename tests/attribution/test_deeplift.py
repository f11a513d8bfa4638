"""DeepLift against its definition: completeness, and networks worked out by hand. Captum only where it is complete."""

import warnings
from functools import partial

import pytest
import torch
from captum import attr
from small_nets import images
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from salkit.attribution import deeplift, layer_attribution, neuron_attribution
from salkit.errors import InputError, LayerError, NotDifferentiableError, SalkitWarning


class Between(nn.Module):
    """A function between two linear layers, in 64 bits, with all biases drawn."""

    def __init__(self, function, width=6, after=6):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.function = nn.Linear(4, width), nn.Linear(after, 2), function
        self.double()

    def forward(self, x):
        return self.b(self.function(self.a(x)))


def two_points(n=5, *shape):
    generator = torch.Generator().manual_seed(3)
    return (torch.randn(n, *(shape or (4,)), generator=generator, dtype=torch.float64) * s for s in (3, 1))


def assert_complete(net, x, baseline, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SalkitWarning)
        found, delta = deeplift(net, x, 1, baseline=baseline, return_delta=True, **options)
    with torch.no_grad():
        change = (net(x) - net(baseline))[:, 1]
    assert change.abs().max() > 1e-6
    torch.testing.assert_close(found.flatten(1).sum(1), change, rtol=1e-9, atol=1e-9 * change.abs().max().item())
    torch.testing.assert_close(delta, torch.zeros_like(delta), rtol=0, atol=1e-9 * change.abs().max().item())


def in_place(h):
    h = h + 0
    h.relu_()
    return h


FUNCTIONS = {
    **{
        type(module).__name__: module
        for module in (
            nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(6), nn.ELU(), nn.SELU(), nn.CELU(), nn.Hardtanh(),
            nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(),
            nn.LogSigmoid(), nn.Softsign(), nn.Tanhshrink(), nn.Softshrink(), nn.Threshold(0.1, 0.2),
        )
    },  # fmt: skip
    "GELU by tanh": nn.GELU("tanh"),
    "module in place": nn.ReLU(inplace=True),
    "ReLU6 in place": nn.ReLU6(inplace=True),
    "in place by position": lambda h: F.silu(h, True),
    "function": F.relu,
    "method": lambda h: h.relu(),
    "method in place": in_place,
    "by name": lambda h: F.leaky_relu(input=h, negative_slope=0.3),
    "clamp": lambda h: h.clamp(-0.5, 0.7),
    "clamp from below": lambda h: torch.clamp(h, min=0),
    "skip before it": lambda h: h + torch.relu(h),
    "ReLU6 as a difference": lambda h: torch.relu(h) - torch.relu(h - 6),
    "swish written out": lambda h: h * torch.sigmoid(h),
    "hardswish written out": lambda h: h * F.relu6(h + 3) / 6,
    "square": lambda h: h**2,
    "product in place": lambda h: (h + 0).mul_(torch.sigmoid(h)),
    "quotient": lambda h: h / (1 + h * h),
    "quotient by name": lambda h: torch.div(input=h, other=1 + h * h),
    "quotient half by name": lambda h: torch.true_divide(h, other=2 + torch.sin(h)),
    "one over": lambda h: 1 / (2 + h**2),
    "outer product": lambda h: (h[:, :, None] @ h[:, None, :]).sum(2),
    "einsum": lambda h: torch.einsum("ni,nj->ni", h, h),
    "batch axis last": lambda h: torch.tanh(h.t()).t(),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complete_for_one_function(name):
    assert_complete(Between(FUNCTIONS[name]), *two_points())


def test_complete_where_one_module_is_used_twice():
    squash = nn.GELU()
    net = Between(lambda h: squash(squash(h) - 0.3))
    assert_complete(net, *two_points())


def test_complete_for_glu():
    assert_complete(Between(nn.GLU(), after=3), *two_points())
    assert_complete(Between(lambda h: F.glu(h, 1), after=3), *two_points())
    assert_complete(Between(lambda h: F.glu(input=h), after=3), *two_points())
    assert_complete(Between(lambda h: F.glu(input=h, dim=1), after=3), *two_points())


@pytest.mark.parametrize(
    ("axes", "pool"),
    [
        (1, nn.MaxPool1d(3, 1)),
        (1, nn.AdaptiveMaxPool1d(4)),
        (2, nn.MaxPool2d(2)),
        (2, nn.MaxPool2d(3, 1, padding=1)),  # windows overlap
        (2, nn.AdaptiveMaxPool2d((2, 3))),
        (2, lambda h: F.max_pool2d(h, 2, return_indices=True)[0]),
        (2, lambda h: torch.max_pool2d(h, 2)),
        (3, nn.MaxPool3d(2)),
        (3, nn.AdaptiveMaxPool3d(1)),
    ],
    ids=["1d", "1d adaptive", "2d", "2d overlapping", "2d adaptive", "2d with indices", "torch", "3d", "3d adaptive"],
)
def test_complete_for_max_pools(axes, pool):
    torch.manual_seed(0)
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](2, 3, 3)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.head = convolution, nn.LazyLinear(2)

        def forward(self, x):
            return self.head(pool(torch.relu(self.convolution(x))).flatten(1))

    net = Net()
    x, baseline = two_points(3, 2, *[8] * axes)
    net(x.float())
    assert_complete(net.double(), x, baseline)


def test_a_max_pool_by_hand():
    # From (1, 0) to (2, 5) the maximum rises from 1 to 5, by the second place, which itself rises by 5: share 4 / 5.
    net = nn.Sequential(nn.MaxPool1d(2), nn.Flatten())
    one, other = torch.tensor([[[2.0, 5.0]]]), torch.tensor([[[1.0, 0.0]]])
    torch.testing.assert_close(deeplift(net, one, baseline=other), torch.tensor([[[0.0, 4.0]]]))
    # And back: the place that was the maximum falls by 5 and takes the maximum down by 4.
    torch.testing.assert_close(deeplift(net, other, baseline=one), torch.tensor([[[0.0, -4.0]]]))


def test_the_rescale_rule_by_hand():
    # y = 2 relu(a - b) from (0, 1) to (3, 1): a - b goes from -1 to 2, relu from 0 to 2, the multiplier is 2 / 3.
    net = nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    net[0].weight.data = torch.tensor([[1.0, -1.0]])
    net[2].weight.data = torch.tensor([[2.0]])
    found = deeplift(net, torch.tensor([[3.0, 1.0]]), baseline=torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([[4.0, 0.0]]))


STEEP = {
    "one over": (lambda h: 1 / h, 0.02, 0.01),
    "reciprocal from afar": (torch.reciprocal, 1e-4, 1e-3),
    "exponential": (torch.exp, 9.0, 10.0),
    "fourth power": (lambda h: h**4, 10.0, 20.0),
    "a large power": (lambda h: h**4, 1000.0, 1000.5),
    "by a small number": (lambda h: (h + 1) / h, 0.002, 0.001),
    "a bend far from 0": (lambda h: F.hardtanh(h, -1000, 1000), 999.9, 1000.1),
    "a whole turn": (torch.cos, 1.0, 2 * torch.pi - 1.01),
    "far out": (torch.sin, 1000.0, 1000.3),
    "saturated": (torch.sigmoid, 20.0, 25.0),
    "tiny": (torch.exp, 1e-8, 2e-8),
    "the last digit": (torch.exp, 10.0, 10.000001),
}


@pytest.mark.parametrize("name", STEEP)
def test_single_precision_has_the_rules_of_double(name):
    """What is small beside the function's values may be all that its input changes by, and the other way round."""

    class Net(nn.Module):
        def forward(self, x):
            return function(x).sum(1)

    function, start, end = STEEP[name]
    x, start = torch.tensor([[end, end / 2]]), torch.tensor([start, start / 2])
    exact = deeplift(Net(), x.double(), baseline=start.double())
    torch.testing.assert_close(exact.sum(1), Net()(x.double()) - Net()(start[None].double()), rtol=1e-6, atol=1e-15)
    rounding = 4e-7 * (function(x).abs().max() + function(start).abs().max()).item()
    torch.testing.assert_close(deeplift(Net(), x, baseline=start).double(), exact, rtol=1e-4, atol=rounding)


def test_a_max_pool_far_from_0_in_single_precision():
    net = nn.Sequential(nn.MaxPool1d(2), nn.Flatten())
    one, other = torch.tensor([[[1000.0, 1000.25]]]), torch.tensor([[[1000.125, 900.0]]])
    torch.testing.assert_close(deeplift(net, one, baseline=other), torch.tensor([[[0.0, 0.125]]]))


class PreActivation(nn.Module):
    """Every skip branches off before its rectifier, and the layers are wide enough to be told apart."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.m, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.double()

    def forward(self, x):
        h = self.a(x)
        return self.out(h + self.m(torch.relu(h)))


def test_a_skip_that_branches_off_before_a_rectifier_by_hand():
    net, (x, baseline) = PreActivation(), two_points()
    with torch.no_grad():
        h, below = net.a(x), net.a(baseline)
        slopes = (torch.relu(h) - torch.relu(below)) / (h - below)
        arriving = net.out.weight[1]  # at the sum
        expected = (arriving + slopes * (arriving @ net.m.weight)) @ net.a.weight * (x - baseline)
    torch.testing.assert_close(deeplift(net, x, 1, baseline=baseline), expected)
    assert_complete(net, x, baseline)


def test_where_nothing_changes_it_is_the_gradient():
    net, (x, _) = Between(nn.GELU()), two_points()
    nearly = x + 1e-12 * torch.ones_like(x)
    multipliers = deeplift(net, nearly, 1, baseline=x) / (nearly - x)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    torch.testing.assert_close(multipliers, gradient, rtol=1e-3, atol=1e-5)
    assert not deeplift(net, x, 1, baseline=x).any()


def test_tiny_signals_are_compared_too():
    """Untrained deep networks have them: what is small must be so beside the values, not beside 1."""
    net, (x, baseline) = Between(nn.ReLU()), two_points()
    with torch.no_grad():
        net.a.bias.zero_()
    torch.testing.assert_close(
        deeplift(net, 1e-9 * x, 1, baseline=1e-9 * baseline), 1e-9 * deeplift(net, x, 1, baseline=baseline),
        rtol=1e-6, atol=0,
    )  # fmt: skip


def test_equal_to_captum_where_captum_is_complete():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.Sigmoid(), nn.Flatten(),
        nn.LazyLinear(10),
    )  # fmt: skip
    x, target = images(n=2, height=16, width=16), torch.tensor([3, 7])
    net(x)
    net.double().eval()
    x = x.double()
    expected = attr.DeepLift(net).attribute(x, torch.full_like(x, 0.2), target)
    torch.testing.assert_close(deeplift(net, x, target, baseline=0.2), expected.detach())


@pytest.mark.parametrize(
    ("function", "least"),
    [(partial(torch.softmax, dim=1), 0.01), (nn.LayerNorm(6), 0.01), (lambda h: torch.where(h > 0, h, -h), 0.01)],
    ids=["softmax", "layer norm", "where"],
)
def test_what_has_no_rule_is_told_in_per_cent(function, least):
    net, (x, baseline) = Between(function), two_points()
    with pytest.warns(SalkitWarning, match=r"misses completeness by up to \d+% of the change") as told:
        _, delta = deeplift(net, x, 1, baseline=baseline, return_delta=True)
    with torch.no_grad():
        share = (delta / (net(x) - net(baseline))[:, 1]).abs()
    assert len(told) == 1 and share.max() > least
    assert f"up to {share.max():.0%} of" in str(told[0].message)
    assert f"in {int((share > 0.01).sum())} of 5 samples" in str(told[0].message)


def test_a_recurrent_cell_is_told():
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.cell(x)[0][:, -1])

    with pytest.warns(SalkitWarning, match="recurrent"):
        deeplift(Net().double(), *list(two_points(2, 7, 2))[:1], 1)


class Hidden(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.inner, self.reentrant = Between(nn.GELU()), reentrant

    def forward(self, x):
        return checkpoint(self.inner, x, use_reentrant=self.reentrant)


def scripted():
    return torch.jit.trace(Between(nn.GELU()), next(two_points()))


def exported():
    return torch.export.export(Between(nn.GELU()), (next(two_points()),)).module()


@pytest.mark.parametrize(
    "build",
    [partial(Hidden, True), partial(Hidden, False), scripted, exported],
    ids=["reentrant", "checkpoint", "scripted", "exported"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_hides_its_functions_is_refused(build):
    with pytest.raises(NotDifferentiableError):
        deeplift(build(), next(two_points()), 1)


def test_other_steps_on_the_baseline_are_refused():
    x = next(two_points())
    above = Between(torch.tanh).a(x).sum()
    net = Between(lambda h: torch.tanh(h) if h.sum() > above - 1e-6 else h)
    with pytest.raises(NotDifferentiableError, match="same steps"):
        deeplift(net, x, 1, baseline=x - 9 * net.a.weight.sum(0).sign())


def test_the_same_numbers_are_drawn_on_the_baseline():
    net = Between(lambda h: torch.tanh(h) * torch.rand(6, dtype=h.dtype))
    _, delta = deeplift(net, next(two_points()), 1, return_delta=True)
    assert delta.abs().max() < 1e-12


def test_chunks_and_no_target():
    net, (x, baseline) = Between(nn.SiLU()), two_points()
    whole = deeplift(net, x, baseline=baseline)
    torch.testing.assert_close(deeplift(net, x, baseline=baseline, batch_size=2), whole)
    torch.testing.assert_close(whole, deeplift(net, x, net(x).argmax(1), baseline=baseline))


def test_a_baseline_that_does_not_fit():
    with pytest.raises(InputError, match="does not broadcast"):
        deeplift(Between(nn.ReLU()), next(two_points()), 1, baseline=torch.zeros(3))
    with pytest.raises(InputError, match="is a list: pass one"):
        deeplift(Between(nn.ReLU()), next(two_points()), 1, baseline=[0.0, 1.0, 0.0, 1.0])
    with pytest.raises(InputError, match="NaN or infinity"):
        deeplift(Between(nn.ReLU()), next(two_points()), 1, baseline=torch.nan)


# --- layers and units


def test_a_layer_before_a_skip_adds_up():
    net, (x, baseline) = PreActivation(), two_points()
    found = layer_attribution(net, x, 1, layer="a", method="deeplift", baseline=baseline)
    with torch.no_grad():
        change = (net(x) - net(baseline))[:, 1]
    torch.testing.assert_close(found.sum(1), change)


def test_a_unit_adds_up():
    net, (x, baseline) = Between(nn.GELU()), two_points()
    deep = nn.Sequential(net, nn.Tanh(), nn.Linear(2, 3).double())
    found = neuron_attribution(deep, x, layer="1", neuron=1, method="deeplift", baseline=baseline)
    with torch.no_grad():
        change = (deep[:2](x) - deep[:2](baseline))[:, 1]
    torch.testing.assert_close(found.sum(1), change)
    with pytest.raises(LayerError, match="no neuron"):
        neuron_attribution(deep, x, layer="1", neuron=7, method="deeplift")
