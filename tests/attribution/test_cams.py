from collections import deque

import pytest
import torch
from small_nets import images, small_net
from torch import nn
from torch.nn import functional as F

from salkit.attribution import (
    cam,
    gradcam,
    gradcam_plus_plus,
    gradient,
    guided_backprop,
    guided_gradcam,
    hirescam,
    layercam,
)
from salkit.errors import LayerError, NoTargetLayerError, SalkitWarning, TargetError


class Tiny(nn.Module):
    """Two feature maps, the input and its negative plus one, pooled; logits 2 a - 1 b + 0.5 and -2 a."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1)
        self.features.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.features.bias.data = torch.tensor([0.0, 1.0])
        self.head = nn.Linear(2, 2)
        self.head.weight.data = torch.tensor([[2.0, -1.0], [-2.0, 0.0]])
        self.head.bias.data = torch.tensor([0.5, 0.0])

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


IMAGE = torch.tensor([[[[0.0, 0.5], [1.0, 0.25]]]])


def test_values_worked_out_by_hand():
    # CAM of class 0: 2 x - (1 - x) = 3 x - 1. The mean pool spreads each weight over 4 places: Grad-CAM is a quarter.
    signed = 3 * IMAGE - 1
    torch.testing.assert_close(cam(Tiny(), IMAGE, 0), signed)
    torch.testing.assert_close(gradcam(Tiny(), IMAGE, 0, relu=False), signed / 4)
    torch.testing.assert_close(gradcam(Tiny(), IMAGE, 0), signed.clamp(min=0) / 4)


def test_nothing_speaks_for_the_class():
    with pytest.warns(SalkitWarning, match="1 of 2 class.*all zero. For 1, every.*relu=False") as caught:
        found = gradcam(Tiny(), torch.cat([IMAGE, -IMAGE]), 1)
    assert len(caught) == 1
    assert found[0].eq(0).all() and found[1].max() > 0
    torch.testing.assert_close(gradcam(Tiny(), IMAGE, 1, relu=False), -2 * IMAGE / 4)


def test_cam_mean_is_the_logit_minus_the_bias():
    net, x = small_net().eval(), images()
    found = cam(net, x, upsample=False)
    logits = net(x).detach()
    best = logits.argmax(1)
    torch.testing.assert_close(found.mean((1, 2, 3)), logits.amax(1) - net.head.bias[best].detach())


def test_cam_is_gradcam_up_to_the_size_of_the_grid():
    net = nn.Sequential(small_net().conv1, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    x = images()
    torch.testing.assert_close(cam(net, x, 1), gradcam(net, x, 1, relu=False) * 6 * 9)


def test_gradcam_equals_its_definition():
    net, x = small_net().eval(), images()
    features = {}
    handle = net.conv2.register_forward_hook(lambda _m, _i, out: features.update(a=out))
    score = net(x)[:, 2].sum()
    handle.remove()
    (slope,) = torch.autograd.grad(score, features["a"])
    expected = (slope.mean((2, 3), keepdim=True) * features["a"]).sum(1, keepdim=True).detach()
    for layer in ("conv2", net.conv2):
        torch.testing.assert_close(gradcam(net, x, 2, layer=layer, relu=False), expected)


def test_several_layers():
    net, x = small_net(), images()
    found = gradcam(net, x, 1, layer=["conv1", net.conv2], relu=False)
    assert list(found) == ["conv1", "conv2"]
    for name in found:
        torch.testing.assert_close(found[name], gradcam(net, x, 1, layer=name, relu=False))
    assert list(gradcam(net, x, 1, layer=deque(["conv1", "conv2"]))) == ["conv1", "conv2"]


def pyramid():
    """Grids of 8x12, 4x6, then 1x1; a pool and activations without weights after each."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()), nn.AdaptiveAvgPool2d((2, 2)),
        nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


def test_default_layer_is_the_last_with_weights_and_a_grid():
    net, x = pyramid(), images(height=8, width=12)
    small = gradcam(net, x, 1, relu=False, upsample=False)
    assert small.shape == (3, 1, 4, 6)
    torch.testing.assert_close(small, gradcam(net, x, 1, layer="3", relu=False, upsample=False))
    large = gradcam(net, x, 1, relu=False)
    torch.testing.assert_close(large, F.interpolate(small, (8, 12), mode="bilinear", align_corners=False))


def test_series():
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))
    x = torch.rand(3, 2, 12)
    assert gradcam(net, x, 1, relu=False).shape == (3, 1, 12)
    assert gradcam(net, x, 1, relu=False, upsample=False).shape == (3, 1, 10)
    torch.testing.assert_close(cam(net, x, 1), gradcam(net, x, 1, relu=False) * 10)


class Patches(nn.Module):
    """A transformer in little: patches as (N, tokens, channels), with a class token in front."""

    def __init__(self, channels_last_grid=False):
        super().__init__()
        self.embed = nn.Conv2d(3, 64, 2, 2)
        self.mix = nn.Linear(64, 64)
        self.head = nn.Linear(64, 3)
        self.channels_last_grid = channels_last_grid

    def forward(self, x):
        if self.channels_last_grid:
            return self.head(self.mix(self.embed(x).permute(0, 2, 3, 1)).tanh().mean((1, 2)))
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = self.mix(torch.cat([tokens.mean(1, keepdim=True), tokens], 1)).tanh()
        return self.head(tokens.mean(1))


@pytest.mark.parametrize(
    ("channels_last_grid", "reshape"),
    [
        (False, lambda t: t[:, 1:].transpose(1, 2).unflatten(2, (4, 6))),
        (True, lambda t: t.permute(0, 3, 1, 2)),
    ],
)
def test_tokens_and_grids_with_the_channels_last(channels_last_grid, reshape):
    net, x = Patches(channels_last_grid), images(height=8, width=12)
    found = gradcam(net, x, 1, layer="mix", reshape=reshape, relu=False, upsample=False)
    assert found.shape == (3, 1, 4, 6)
    outputs = []
    handle = net.mix.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    score = net(x)[:, 1].sum()
    handle.remove()
    (slope,) = torch.autograd.grad(score, outputs)
    grid, slope = reshape(outputs[0]), reshape(slope)
    torch.testing.assert_close(found, (slope.mean((2, 3), keepdim=True) * grid).sum(1, keepdim=True).detach())
    torch.testing.assert_close(gradcam(net, x, 1, layer="mix", relu=False, upsample=False), found)
    # By default behind the tanh, with which the head is linear: the mean of the map is that of the tokens.
    tokens = reshape(outputs[0].tanh())
    n = outputs[0].flatten(1, -2).shape[1]
    expected = torch.einsum("k,nk...->n...", net.head.weight[1], tokens)[:, None] / n
    torch.testing.assert_close(gradcam(net, x, 1, relu=False, upsample=False), expected.detach())


FAMILY = {"gradcam": gradcam, "gradcam_plus_plus": gradcam_plus_plus, "hirescam": hirescam, "layercam": layercam}


def test_the_family_worked_out_by_hand():
    """The maps are x and 1 - x; the slope is 1/2 on the first and -1/4 on the second, at all four places."""
    x, options = IMAGE, dict(relu=False, upsample=False)
    torch.testing.assert_close(hirescam(Tiny(), x, 0, **options), (3 * x - 1) / 4)
    torch.testing.assert_close(layercam(Tiny(), x, 0, **options), x / 2)
    # The first map sums to 1.75: alpha is 1 / (2 + 1.75 / 2) = 8/23, and the weight 4 * 8/23 * 1/2. The second's is 0.
    torch.testing.assert_close(gradcam_plus_plus(Tiny(), x, 0, **options), 16 / 23 * x)


def by_definition(name, a, g):
    """The papers' formulas, one sample and one map at a time."""
    found = torch.zeros(len(a), 1, *a.shape[2:], dtype=a.dtype)
    for n in range(len(a)):
        for k in range(a.shape[1]):
            features, slope = a[n, k], g[n, k]
            if name == "gradcam":
                weight = slope.mean()
            elif name == "hirescam":
                weight = slope
            elif name == "layercam":
                weight = slope.relu()
            else:
                below = 2 * slope**2 + features.sum() * slope**3
                weight = (torch.where(below == 0, 0, slope**2 / below) * slope.relu()).nansum()
            found[n, 0] += weight * features
    return found


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("relu", [True, False])
def test_the_family_equals_its_definitions(name, relu):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(50, 4)
    ).double()
    x = images(dtype=torch.float64)
    a = net[:2](x).detach().requires_grad_()
    (g,) = torch.autograd.grad(net[2:](a)[:, 2].sum(), a)
    expected = by_definition(name, a.detach(), g)
    found = FAMILY[name](net, x, 2, layer="1", relu=relu, upsample=False)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected.relu() if relu else expected)


def test_hirescam_adds_up_where_only_a_linear_layer_follows():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(112, 3)), images()
    found = hirescam(net, x, 1, relu=False, upsample=False)
    torch.testing.assert_close(found.sum((1, 2, 3)), (net(x)[:, 1] - net[3].bias[1]).detach())


def test_no_gradient_gives_no_nan():
    net = small_net()
    net.head.weight.data.zero_()
    for method in FAMILY.values():
        with pytest.warns(SalkitWarning, match="nothing after this layer"):
            assert method(net, images(), 1).eq(0).all()


def test_layers_without_a_grid():
    with pytest.raises(LayerError, match=r"'head' has the shape \(3, 4\), and no axes"):
        gradcam(small_net(), images(), layer="head")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(162, 4))
    with pytest.raises(NoTargetLayerError, match="no layer puts out a grid"):
        gradcam(flat, images())
    with pytest.raises(LayerError, match="no layer 'conv9'"):
        gradcam(small_net(), images(), layer="conv9")
    # One place is no grid: with the stride, 2x2 pixels leave one.
    net = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(NoTargetLayerError, match="larger inputs"):
        gradcam(net, images(height=2, width=2))


@pytest.mark.parametrize("size", [8, 16])
def test_layer_that_runs_twice(size):
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net[1:](self.net[0](self.net[0](x)))

    with pytest.raises(LayerError, match="'net.0' runs more than once"):
        gradcam(Twice(), images(height=size, width=size), layer="net.0")
    x = images(height=size, width=size)
    found = gradcam(Twice(), x, 1, relu=False)  # without a name it is the second run
    torch.testing.assert_close(found, cam(Twice(), x, 1) / size**2)


class ClassMaps(nn.Module):
    """SqueezeNet's head: one map for each class, then the pool."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return F.relu(self.maps(x)).mean((2, 3))


def test_cam_where_each_class_has_its_map():
    net, x = ClassMaps(), images()
    torch.testing.assert_close(cam(net, x, 2), net.maps(x)[:, 2:3].relu().detach())


def test_cam_needs_a_pooled_head():
    deep = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)
    )
    for net in (pyramid(), deep, nn.Sequential(small_net(), nn.Softmax(1))):
        with pytest.raises(NoTargetLayerError, match="use gradcam"):
            cam(net, images(height=8, width=12))
    with pytest.raises(TargetError, match="CAM needs a class"):
        cam(small_net(), images(), lambda outputs: outputs[:, 0])


def test_guided_gradcam_is_the_product():
    net, x = small_net(), images()
    expected = guided_backprop(net, x, 1) * gradcam(net, x, 1, layer="conv2")
    torch.testing.assert_close(guided_gradcam(net, x, 1, layer="conv2"), expected)
    assert expected.abs().max() > 0


def test_gradcam_needs_no_gradient_below_the_layer():
    """The part under the layer may even be one that can't be differentiated."""

    class Rounded(nn.Module):
        def forward(self, x):
            return (x * 4).round().detach()

    net = nn.Sequential(Rounded(), small_net())
    assert gradcam(net, images(), 1, relu=False).abs().max() > 0
    torch.testing.assert_close(gradient(net, images(), 1, layer="1.conv1").shape, torch.Size([3, 6, 6, 9]))
