import pytest
import torch
from small_nets import images, small_net
from torch import nn

from salkit.attribution import layer_attribution, neuron_attribution
from salkit.attribution.by_captum import LAYER_METHODS, NEURON_METHODS
from salkit.errors import InputError, LayerError


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
    with pytest.raises(LayerError, match="captum"):
        neuron_attribution(net, x, layer="1", neuron=7)
