import warnings

import pytest
import torch
from captum import attr
from small_nets import images, small_net
from torch import nn

import salkit
from salkit.attribution import gradient, layer_attribution, neuron_attribution
from salkit.attribution.layers import LAYER_METHODS, NEURON_METHODS
from salkit.errors import InputError, LayerError, SalkitWarning


def flights():
    """The network of the flights chapter: 10 - 3 (sigmoid) - 1, with one output."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 3), nn.Sigmoid(), nn.Linear(3, 1))


@pytest.mark.parametrize("method", ["conductance", "integrated_gradients", "deeplift"])
def test_hidden_units_add_up_to_the_change_of_the_score(method):
    net, x = flights(), torch.rand(4, 10)
    found = layer_attribution(net, x, layer="1", method=method, n_steps=100)
    assert found.shape == (4, 3)
    change = (net(x) - net(0 * x))[:, 0].detach()
    torch.testing.assert_close(found.sum(1), change, atol=1e-3, rtol=1e-2)


def test_gradient_x_activation_of_a_layer():
    net, x = flights(), torch.rand(4, 10)
    found = layer_attribution(net, x, layer="1", method="gradient_x_activation")
    torch.testing.assert_close(found, (net[:2](x) * net[2].weight[0]).detach())


@pytest.mark.parametrize("method", NEURON_METHODS)
def test_inputs_of_a_hidden_unit(method):
    net, x = flights(), torch.rand(4, 10)
    for neuron in range(3):
        found = neuron_attribution(net, x, layer="0", neuron=neuron, method=method)  # linear: all agree
        expected = net[0].weight[neuron].detach().expand_as(x)
        torch.testing.assert_close(found, expected if method == "gradient" else expected * x, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", LAYER_METHODS)
def test_layer_methods_on_a_convolution(method):
    net, x = small_net().train(), images()
    found = layer_attribution(net, x, torch.tensor([0, 1, 2]), layer=net.conv2, method=method, n_steps=5)
    assert found.shape == (3, 6, 6, 9) and found.isfinite().all() and not found.requires_grad
    again = layer_attribution(net, x, torch.tensor([0, 1, 2]), layer="conv2", method=method, n_steps=5, batch_size=2)
    torch.testing.assert_close(again, found, atol=1e-6, rtol=1e-4)
    assert net.training and not any(module._forward_hooks for module in net.modules())


def test_bad_calls():
    net, x = flights(), torch.rand(2, 10)
    with pytest.raises(InputError, match="conductance"):
        layer_attribution(net, x, layer="1", method="shap")
    with pytest.raises(InputError, match="deeplift"):
        neuron_attribution(net, x, layer="1", neuron=0, method="conductance")
    with pytest.raises(LayerError, match="no layer 'hidden'"):
        layer_attribution(net, x, layer="hidden")
    for method in NEURON_METHODS:
        with pytest.raises(LayerError, match="no neuron"):
            neuron_attribution(net, x, layer="1", neuron=7, method=method)
    with pytest.raises(LayerError, match="not one neuron"):
        neuron_attribution(small_net(), images(), layer="conv2", neuron=2)
    with pytest.raises(InputError, match="n_steps"):
        layer_attribution(net, x, layer="1", n_steps=1)


class Skip(nn.Module):
    """Something reaches the score past the layer ``m``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.m, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.double()

    def forward(self, x):
        h = torch.tanh(self.a(x))
        return self.out(h + torch.relu(self.m(h)))


def test_layer_methods_equal_captum():
    """Captum has the same definitions, and its conductance, by one-sided steps, comes close with many of them."""
    net, x, start = Skip(), *torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    options = dict(layer="m", baseline=start, n_steps=20)
    expected = attr.LayerGradientXActivation(net, net.m).attribute(x, 1)
    torch.testing.assert_close(layer_attribution(net, x, 1, method="gradient_x_activation", **options), expected)
    expected = attr.LayerIntegratedGradients(net, net.m).attribute(x, start, 1, n_steps=20)
    torch.testing.assert_close(layer_attribution(net, x, 1, method="integrated_gradients", **options), expected)
    expected = attr.LayerConductance(net, net.m).attribute(x, start, 1, n_steps=5000, method="riemann_trapezoid")
    found = layer_attribution(net, x, 1, **options | {"n_steps": 2000})
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3)
    options = dict(options, layer="m", neuron=2)
    expected = attr.NeuronIntegratedGradients(net, net.m).attribute(x, 2, start, n_steps=20)
    torch.testing.assert_close(neuron_attribution(net, x, **options), expected)
    expected = attr.NeuronGradient(net, net.m).attribute(x, 2)
    torch.testing.assert_close(neuron_attribution(net, x, method="gradient", **options), expected)


@pytest.mark.parametrize("method", ["conductance", "integrated_gradients"])
def test_everything_passes_through_the_first_layer(method):
    net, x, start = Skip(), *torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = layer_attribution(net, x, 1, layer="a", method=method, baseline=start, n_steps=500)
    torch.testing.assert_close(found.sum(1), (net(x) - net(start))[:, 1].detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", ["0", "1.a", "1.m"])
def test_deeplift_of_a_layer_tells_what_is_missing_above_it_alone(layer):
    softmax = nn.Sequential(nn.Linear(4, 4).double(), Skip(), nn.Softmax(1), nn.Linear(2, 2).double())
    x = 3 * torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with pytest.warns(SalkitWarning, match="DeepLift misses"):
        layer_attribution(softmax, x, 1, layer=layer, method="deeplift")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SalkitWarning)
        layer_attribution(nn.Sequential(nn.LayerNorm(4).double(), Skip()), x, 1, layer="1.a", method="deeplift")


class Steep(nn.Module):
    """100 above 0.97, by a layer that everything passes through; with ``skip`` half of it goes round."""

    def __init__(self, skip=False, hidden=False):
        super().__init__()
        self.a, self.skip, self.hidden = nn.Identity(), skip, hidden

    def forward(self, x):
        beside = x.detach().numpy() if self.hidden and not x.requires_grad else x.clone().numpy() if self.hidden else x
        through = (self.a(x) + torch.as_tensor(beside)) / 2 if self.skip else self.a(x)
        return torch.cat([100 * (through - 0.97).relu(), 0 * x], 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("method", "told"),
    [
        (
            "conductance",
            "conductance of layer 'a' misses completeness by up to 733% .* in 1 of 1 samples: use more than",
        ),
        ("integrated_gradients", "integrated gradients of layer 'a' miss completeness by up to 100% "),
    ],
)
def test_what_the_path_of_a_layer_misses_is_told(method, told, dtype):
    x = torch.ones(1, 1, dtype=dtype)
    told = told.replace("733", r"7\d\d") if dtype == torch.bfloat16 else told
    with pytest.warns(SalkitWarning, match=told) as caught:
        layer_attribution(Steep(), x, 0, layer="a", method=method, n_steps=2)
    assert len(caught) == 1


def test_what_goes_round_a_layer_is_not_missing():
    net, x = Skip(), torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", SalkitWarning)
        found = layer_attribution(net, x, 1, layer="m", n_steps=500)
    assert (found.sum(1) - (net(x) - net(0 * x))[:, 1]).abs().max() > 0.01  # most of it goes round
    with pytest.warns(SalkitWarning, match="up to 733% .*: use more"):
        layer_attribution(Steep(skip=True), torch.ones(1, 1), 0, layer="a", n_steps=2)
    with pytest.warns(SalkitWarning, match="something may go round the layer, or use more"):
        layer_attribution(Steep(skip=True, hidden=True), torch.ones(1, 1), 0, layer="a", n_steps=2)


class TimeFirst(nn.Module):
    """Its encoder layer has the default layout, (time, sample, channel)."""

    def __init__(self, joined=False):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.head = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), nn.Linear(4, 3)
        self.each, self.joined = nn.Linear(4, 4), joined

    def forward(self, x):
        if self.joined:
            return self.head(self.each(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1))
        return self.head(self.encoder(x.transpose(0, 1)).mean(0))


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 5, 4), (3, 3, 4), (3, 1, 4), (2, 4, 4)])
@pytest.mark.parametrize("joined", [False, True])
def test_a_layer_with_another_first_axis_is_refused(shape, joined):
    net, x = TimeFirst(joined).eval(), torch.rand(shape)
    layer, neuron = ("each", 0) if joined else ("encoder", (0, 0))
    if joined and shape[1] == 1:  # one row a sample
        assert layer_attribution(net, x, 0, layer=layer).shape == (3, 4)
        return
    for method in LAYER_METHODS:
        with pytest.raises(LayerError, match="puts out .* for 2 samples, so its first axis is not"):
            layer_attribution(net, x, 0, layer=layer, method=method)
    for method in NEURON_METHODS:
        with pytest.raises(LayerError, match="first axis"):
            neuron_attribution(net, x, layer=layer, neuron=neuron, method=method)
    with pytest.raises(LayerError, match="first axis"):
        gradient(net, x, 0, layer=layer)


def test_a_layer_that_is_as_wide_as_the_batch_is_right():
    net, x = flights(), torch.rand(3, 10)
    assert gradient(net, x, layer="1").shape == layer_attribution(net, x, layer="1").shape == (3, 3)
    assert neuron_attribution(net, x, layer="1", neuron=1, method="gradient").shape == (3, 10)


class InPlace(nn.Module):
    """A layer that works in place; its result is used, or what it worked on, or both."""

    def __init__(self, use):
        super().__init__()
        self.relu, self.use = nn.ReLU(inplace=True), use

    def forward(self, x):
        h = x * 1
        y = self.relu(h[:, :1] if self.use == "a part" else h)
        return {"the result": y, "the input": h, "both": h + y, "a part": 3 * h}[self.use]


@pytest.mark.parametrize(("use", "factor"), [("the result", 1), ("the input", 1), ("both", 2), ("a part", 3)])
def test_a_layer_in_place_is_seen_by_all_who_hold_its_input(use, factor):
    net, x = InPlace(use), torch.ones(1, 2)
    expected = factor * torch.tensor([[1.0] if use == "a part" else [1.0, 0.0]])
    for method in LAYER_METHODS:
        torch.testing.assert_close(layer_attribution(net, x, 0, layer="relu", method=method), expected)
    assert torch.equal(salkit.gradient(net, x, 0, layer="relu"), expected)
    assert neuron_attribution(net, x, layer="relu", neuron=0).tolist() == [[1, 0]]


def test_a_layer_that_passes_its_input_on_is_not_in_place():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.same = nn.Identity()

        def forward(self, x):
            h = x * 1
            y = self.same(h)
            h += 1
            return h + 3 * y

    x = torch.ones(1, 2)
    assert salkit.gradient(Net(), x, 0, layer="same").tolist() == [[3, 0]]
    assert salkit.attribution.feature_maps(Net(), x, "same")["same"].tolist() == [[1, 1]]
