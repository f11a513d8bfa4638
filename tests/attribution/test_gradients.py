import pytest
import torch
from small_nets import images, small_net
from torch import nn

import salkit
from salkit.attack import fgsm
from salkit.attribution import feature_maps, gradient, layer_attribution
from salkit.errors import InputError, LayerError, NotDifferentiableError, SalkitWarning, TargetError


class Quadratic(nn.Module):
    """Two scores of three values: x0^2 + 3 x1 and x0 x2."""

    def forward(self, x):
        return torch.stack([x[:, 0] ** 2 + 3 * x[:, 1], x[:, 0] * x[:, 2]], 1)


POINT = torch.tensor([[2.0, -1.0, 5.0], [1.0, 0.0, -4.0]])


def test_values_worked_out_by_hand():
    # At (2, -1, 5): scores 1 and 10, so None explains the second: (x2, 0, x0). At (1, 0, -4): 1 and -4, the first.
    assert gradient(Quadratic(), POINT).tolist() == [[5, 0, 2], [2, 3, 0]]
    assert gradient(Quadratic(), POINT, 0).tolist() == [[4, 3, 0], [2, 3, 0]]
    assert gradient(Quadratic(), POINT, torch.tensor([0, 1])).tolist() == [[4, 3, 0], [-4, 0, 1]]
    assert gradient(Quadratic(), POINT, lambda y: y.sum(1)).tolist() == [[9, 3, 2], [-2, 3, 1]]


def test_equals_finite_differences():
    net, x = small_net(inplace=False).double().eval(), images(n=1).double()
    found = gradient(net, x, 1)
    step = 1e-6
    for index in [(0, 0, 0, 0), (0, 2, 3, 4), (0, 1, 5, 8)]:
        up, down = x.clone(), x.clone()
        up[index] += step
        down[index] -= step
        with torch.no_grad():
            slope = (net(up) - net(down))[0, 1] / (2 * step)
        assert abs(found[index] - slope) < 1e-6


def test_series():
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 8, 2))
    assert gradient(net, torch.rand(4, 2, 10)).shape == (4, 2, 10)


def test_gradient_at_a_layer_is_that_of_the_network_above_it():
    net, x = small_net().eval(), images()
    features = feature_maps(net, x, ["pool"])["pool"]
    by_hand = net.head.weight[1].detach().expand(len(x), -1)[:, :, None, None]
    for layer in ("pool", net.pool):
        assert torch.equal(gradient(net, x, 1, layer=layer), by_hand)
    assert features.shape == by_hand.shape
    # In-place work after the layer changes nothing.
    torch.testing.assert_close(
        gradient(net, x, 1, layer="norm"), gradient(small_net(inplace=False), x, 1, layer="norm")
    )
    torch.testing.assert_close(gradient(net, x, 1, layer="norm", batch_size=2), gradient(net, x, 1, layer="norm"))


class Odd(nn.Module):
    """One layer that never runs, one that runs twice, one that returns a tuple."""

    def __init__(self):
        super().__init__()
        self.idle, self.twice, self.rnn = nn.Linear(4, 4), nn.Linear(4, 4), nn.GRU(4, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(self.twice(self.twice(x))[:, None])[0][:, 0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("idle", "'idle' did not run"),
        ("twice", "'twice' runs more than once"),
        ("rnn", "'rnn' puts out a tuple"),
        ("missing", "no layer 'missing'"),
        (nn.Linear(1, 1), "Linear is not a layer of this model"),
    ],
)
def test_layers_that_cannot_be_used(layer, message):
    net, x = Odd(), torch.rand(2, 4)
    for call in (lambda: gradient(net, x, 1, layer=layer), lambda: feature_maps(net, x, [layer])):
        with pytest.raises(LayerError, match=message):
            call()
        assert not any(module._forward_hooks for module in net.modules())


def test_feature_maps():
    net, x = small_net(), images()
    maps = feature_maps(net, x, ["conv2", net.norm], batch_size=2)
    assert list(maps) == ["conv2", "norm"] and net.training
    net.eval()
    torch.testing.assert_close(maps["norm"], net.norm(net.conv1(x)))  # not what the in-place ReLU makes of it
    assert not maps["norm"].requires_grad
    assert list(feature_maps(net, x, "conv1")) == ["conv1"]


class Cut(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.net = how, nn.Linear(3, 2)

    def forward(self, x):
        with torch.set_grad_enabled(self.how != "no_grad"):
            return self.net(x.detach() if self.how == "detach" else x)


@pytest.mark.parametrize("how", ["no_grad", "detach"])
def test_score_that_no_gradient_reaches(how):
    with pytest.raises(NotDifferentiableError, match="differentiable"):
        gradient(Cut(how), POINT)


def test_model_that_loses_the_batch_axis():
    with pytest.raises(salkit.errors.TargetError, match="rows for 2 samples|scores for 2 samples"):
        gradient(nn.Sequential(nn.Flatten(0), nn.Linear(6, 4), nn.Unflatten(0, (1, 4))), POINT)


def test_a_users_pending_backward_still_reaches_the_weights():
    net, x = small_net().eval(), images()
    net(x).sum().backward()
    expected = net.conv1.weight.grad.clone()
    net.zero_grad()
    loss = net(x).sum()
    gradient(net, x)
    loss.backward()
    torch.testing.assert_close(net.conv1.weight.grad, expected)


def test_stochastic_forward_keeps_the_global_random_state():
    class Noisy(nn.Module):
        def forward(self, x):
            return x * torch.rand(1)

    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    gradient(Noisy(), POINT)
    assert torch.equal(torch.rand(1), expected)


def test_layers_of_a_compiled_model_keep_their_names():
    net, x = small_net().eval(), images()
    compiled = torch.compile(net, backend="eager")
    for layer in ("conv2", net.conv2):
        torch.testing.assert_close(gradient(compiled, x, 1, layer=layer), gradient(net, x, 1, layer="conv2"))
    assert list(feature_maps(compiled, x, [net.norm])) == ["norm"]


class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()


@pytest.mark.parametrize(
    "call",
    [
        salkit.gradient,
        salkit.input_x_gradient,
        lambda net, x, target: salkit.smoothgrad(net, x, target, sigma=0.0, n_samples=2),
        lambda net, x, target: salkit.integrated_gradients(net, x, target, baseline=-1.0),
        lambda net, x, target: salkit.gradient(nn.Sequential(nn.Identity(), net), x, target, layer="0"),
        lambda net, x, target: layer_attribution(nn.Sequential(nn.Identity(), net), x, target, layer="0"),
    ],
)
def test_a_map_that_is_not_finite_is_told_though_the_score_is(call):
    x = torch.tensor([[0.0, 4.0], [1.0, 4.0]])
    with pytest.warns(SalkitWarning) as caught:
        call(Root(), x, 0)
    assert len([w for w in caught if "of 2 maps hold NaN or infinity" in str(w.message)]) == 1


def test_what_was_made_in_inference_mode_is_taken():
    net, x = small_net(), images()
    with torch.inference_mode():
        target, baseline = torch.tensor([0, 1, 2]), torch.rand(3, 1, 1)
    for call in (salkit.gradient, salkit.integrated_gradients, salkit.gradcam, fgsm, salkit.deeplift, salkit.occlusion):
        assert call(net, x, target).isfinite().all()
    for call in (salkit.integrated_gradients, salkit.deeplift, salkit.occlusion, salkit.rise):
        assert call(net, x, 1, baseline=baseline).isfinite().all()


def test_models_that_are_not_ready():
    x = torch.rand(2, 4)
    net = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(InputError, match=r"run the model once .*zeros\(2, 4\)"):
        salkit.gradient(net, x, 0)
    net(x)
    assert salkit.gradient(net, x, 0).shape == x.shape
    with pytest.raises(InputError, match="meta device"):
        salkit.gradient(nn.Linear(4, 3, device="meta"), x, 0)
    with pytest.raises(InputError, match="meta device"):
        salkit.gradient(nn.Linear(4, 3, device="meta"), x.to("meta"), 0)
    with pytest.raises(TargetError, match="real numbers"):
        salkit.occlusion(net, x, lambda outputs: outputs[:, 0] > 0)


@pytest.mark.filterwarnings("ignore")
def test_observers_are_refused_until_they_are_off():
    from torch.ao import quantization

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.layer, self.dequant = quantization.QuantStub(), nn.Linear(4, 3), quantization.DeQuantStub()

        def forward(self, x):
            return self.dequant(self.layer(self.quant(x)))

    x, net = torch.rand(2, 4), Net().eval()
    net.qconfig = quantization.get_default_qconfig("fbgemm")
    with pytest.raises(InputError, match="quantization.convert"):
        salkit.gradient(quantization.prepare(net), x, 0)
    net.train().qconfig = quantization.get_default_qat_qconfig("fbgemm")
    aware = quantization.prepare_qat(net)
    aware(x)
    with pytest.raises(InputError, match="disable_observer"):
        salkit.gradient(aware, x, 0)
    aware.apply(quantization.disable_observer)
    before = {name: value.clone() for name, value in aware.state_dict().items() if torch.is_tensor(value)}
    assert salkit.gradient(aware, x, 0).shape == x.shape
    assert all(torch.equal(aware.state_dict()[name], value) for name, value in before.items())


class Logarithm(nn.Module):
    def forward(self, x):
        return x.log()


class RootOfRelu(nn.Module):
    def forward(self, x):
        return (torch.relu(x + 1) - 1).sqrt()


class PooledRoot(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1, bias=False)

    def forward(self, x):
        return (self.layer(x) * 0).sqrt().mean((2, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: salkit.occlusion(Logarithm(), torch.ones(2, 4), 0, baseline=0.0),
        lambda: salkit.rise(PooledRoot(), torch.full((2, 1, 4, 4), 1e38), lambda y: y[:, 0] / 0, n_masks=2),
        lambda: salkit.guided_backprop(RootOfRelu(), torch.zeros(2, 3), 0),
        lambda: salkit.deconvnet(RootOfRelu(), torch.zeros(2, 3), 0),
        lambda: salkit.gradcam(PooledRoot(), torch.ones(2, 1, 4, 4), layer="layer"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*all zero", "ignore:the model calls no ReLU")
def test_every_method_tells_of_maps_that_are_not_finite(call):
    with pytest.warns(SalkitWarning, match="maps hold NaN or infinity"):
        call()


@pytest.mark.parametrize("explain", [salkit.gradient, salkit.guided_backprop, salkit.occlusion])
@pytest.mark.filterwarnings("ignore:the model calls no ReLU")
def test_scores_that_are_not_finite_are_told_in_later_passes_too(explain):
    with pytest.warns(SalkitWarning, match="1 of 3 maps hold NaN or infinity"):
        explain(Logarithm(), torch.tensor([[1.0, 2.0], [3.0, 4.0], [-1.0, 5.0]]), 0, batch_size=1)
