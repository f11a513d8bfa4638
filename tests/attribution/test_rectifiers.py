import pytest
import torch
from small_nets import images, small_net
from torch import nn
from torch.nn import functional as F

from salkit.attribution import deconvnet, deeplift, gradient, guided_backprop
from salkit.errors import NotDifferentiableError, SalkitWarning

METHODS = {"guided_backprop": guided_backprop, "deconvnet": deconvnet}
both = pytest.mark.parametrize("name", METHODS)


class Rule(torch.autograd.Function):
    """The definition: what passes back through a rectifier."""

    @staticmethod
    def forward(ctx, x, name):
        ctx.save_for_backward(x > 0)
        ctx.name = name
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (was_on,) = ctx.saved_tensors
        passed = g * (g > 0)
        return passed * was_on if ctx.name == "guided_backprop" else passed, None


def test_values_worked_out_by_hand():
    # Hidden h = (x0 + x1, x0 - x1, -x0); score relu(h) . (2, -3, 5).
    net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 1, bias=False))
    net[0].weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    net[2].weight.data = torch.tensor([[2.0, -3.0, 5.0]])
    x = torch.tensor([[3.0, 1.0]])  # h = (4, 2, -3): the first two are on
    assert gradient(net, x).tolist() == [[2 - 3, 2 + 3]]
    assert guided_backprop(net, x).tolist() == [[2, 2]]  # the second arrives with -3
    assert deconvnet(net, x).tolist() == [[2 - 5, 2]]  # the third was off, and passes


class Net(nn.Module):
    """One architecture, written with each way to call a rectifier. ``act`` may be the definition itself."""

    def __init__(self, block, act):
        super().__init__()
        torch.manual_seed(3)
        self.convolutions = nn.ModuleList(nn.Conv2d(c, 4, 3, padding=1) for c in (3, 4, 4, 4, 4))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(4))
        self.head = nn.Linear(4, 3)
        self.block = block
        self.act = act if isinstance(act, nn.Module) else None
        self.function = None if isinstance(act, nn.Module) else act
        for norm in self.norms:
            norm.running_mean.uniform_(-0.3, 0.3)

    def relu(self, x):
        return self.act(x) if self.act else self.function(x)

    def forward(self, x):
        x = self.convolutions[0](x)
        for i in (0, 2):
            first, second = self.convolutions[i + 1 : i + 3]
            norm1, norm2 = self.norms[i : i + 2]
            if self.block == "plain":
                x = self.relu(norm2(second(self.relu(norm1(first(x))))))
            elif self.block == "post":
                x = self.relu(x + norm2(second(self.relu(norm1(first(x))))))
            else:  # pre-activation: the rectifier's input also feeds the skip connection, unless it works in place
                x = x + second(self.relu(norm2(first(self.relu(x)))))
        return self.head(F.max_pool2d(x, 2).mean((2, 3)))


WAYS = {
    "module, reused": nn.ReLU(),
    "F.relu": F.relu,
    "torch.relu": torch.relu,
    "Tensor.relu": lambda x: x.relu(),
    "torch.relu by keyword": lambda x: torch.relu(input=x),
}
IN_PLACE = {
    "module in place": nn.ReLU(inplace=True),
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu in place by position": lambda x: F.relu(x, True),
    "torch.relu_": torch.relu_,
    "Tensor.relu_": lambda x: x.relu_(),
    "F.relu_": F.relu_,
}


@both
@pytest.mark.parametrize("block", ["plain", "post", "pre"])
@pytest.mark.parametrize("way", WAYS)
def test_equals_the_definition(name, block, way):
    x = images(height=8, width=8)
    expected = gradient(Net(block, lambda t: Rule.apply(t, name)), x, 1)
    found = METHODS[name](Net(block, WAYS[way]), x, 1)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, gradient(Net(block, F.relu), x, 1))


@both
@pytest.mark.parametrize("block", ["plain", "post", "pre"])
@pytest.mark.parametrize("way", IN_PLACE)
def test_in_place_equals_the_definition(name, block, way):
    """In place on a pre-activation net, the skip connection carries the rectified values."""

    def rule_in_place(t):
        return t.copy_(Rule.apply(t, name))

    x = images(height=8, width=8)
    expected = gradient(Net(block, rule_in_place), x, 1)
    torch.testing.assert_close(METHODS[name](Net(block, IN_PLACE[way]), x, 1), expected)
    with torch.no_grad():  # the definition above computes what the network computes
        torch.testing.assert_close(Net(block, rule_in_place).eval()(x), Net(block, IN_PLACE[way]).eval()(x))


@both
@pytest.mark.parametrize("act", [nn.ReLU6(), nn.ReLU6(inplace=True), F.relu6, nn.Hardtanh(0.0, 6.0)])
def test_relu6_passes_nothing_where_it_saturates(name, act):
    class Six(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = act

        def forward(self, x):
            return (self.act(x * 1) * torch.tensor([1.0, 2.0, 3.0, -4.0])).sum(1, keepdim=True)

    found = METHODS[name](Six(), torch.tensor([[-1.0, 7.0, 3.0, 3.0]]))
    assert found.tolist() == [[0, 0, 3, 0] if name == "guided_backprop" else [1, 2, 3, 0]]


@both
@pytest.mark.parametrize("act", [nn.GELU(), nn.Sigmoid(), nn.Hardtanh(-1.0, 1.0), nn.LeakyReLU(0.1)])
def test_other_activations_are_left_alone_with_one_warning(name, act):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 9, 5), act, nn.Linear(5, 2))
    with pytest.warns(SalkitWarning, match="no ReLU") as caught:
        found = METHODS[name](net, images(), batch_size=1)
    assert len(caught) == 1
    torch.testing.assert_close(found, gradient(net, images()))


@both
def test_other_code_sees_the_plain_rectifier_again(name):
    METHODS[name](small_net(), images())
    x = torch.tensor([1.0, -1.0], requires_grad=True)
    F.relu(x).backward(torch.tensor([-2.0, 3.0]))
    assert x.grad.tolist() == [-2, 0]


def test_other_threads_keep_the_plain_rectifier():
    import threading

    seen = []

    class Waits(nn.Module):
        def forward(self, x):
            def other():
                leaf = torch.tensor([1.0, -1.0], requires_grad=True)
                F.relu(leaf).backward(torch.tensor([-2.0, 3.0]))
                seen.append(leaf.grad.tolist())

            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            return F.relu(x)

    guided_backprop(Waits(), torch.rand(2, 3))
    assert seen == [[-2, 0]]


@pytest.mark.parametrize("explain", [gradient, guided_backprop, deconvnet])
@pytest.mark.parametrize("act", [lambda h: F.relu6(h, inplace=True), lambda h: F.hardtanh(h, 0.0, 9.0, True)])
def test_what_works_in_place_returns_what_it_worked_on(explain, act):
    class Net(nn.Module):
        def forward(self, x):
            h = x * 1
            y = act(h)
            y += 1
            return h.square()  # of x + 1

    assert explain(Net(), torch.tensor([[2.0]])).tolist() == [[6]]


@pytest.mark.parametrize("how", ["grad", "backward"])
@pytest.mark.parametrize("explain", [guided_backprop, deconvnet, deeplift])
def test_models_that_differentiate_inside_are_refused(explain, how):
    class Force(nn.Module):
        def forward(self, x):
            with torch.enable_grad():
                x = x if x.requires_grad else x.detach().requires_grad_()
                energy = F.relu(x).square().sum()
                if how == "grad":
                    return torch.autograd.grad(energy, x, create_graph=True)[0]
                energy.backward(inputs=[x])
                return x

    with pytest.raises(NotDifferentiableError, match="differentiates"):
        explain(Force(), torch.ones(1, 2), 0)


@pytest.mark.parametrize(
    "hidden", [nn.RNNCell(2, 2, nonlinearity="relu"), lambda x: torch.vmap(torch.relu)(x), torch.ops.aten.relu]
)
def test_hidden_rectifiers_are_refused_with_advice_that_fits(hidden):
    class Net(nn.Module):
        def forward(self, x):
            return hidden(x)

    with pytest.raises(NotDifferentiableError, match="nn.RNNCell, torch.vmap, torch.ops"):
        guided_backprop(Net(), torch.ones(1, 2), 0)
