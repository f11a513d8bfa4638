"""Equal to captum, within 1e-4 of a map's largest value, wherever captum computes what the definition says.

Where it does not, the definition decides, and is tested elsewhere: guided backprop and deconvnet with functional
rectifiers or pre-activation blocks (test_rectifiers), trapezoid weights (test_path), SmoothGrad's noise (test_smooth).
"""

import pytest
import torch
from small_nets import images
from torch import nn

import salkit

attr = pytest.importorskip("captum.attr")
models = pytest.importorskip("torchvision.models")
pytestmark = pytest.mark.filterwarnings("ignore")


def modules_only():
    """Rectifiers are modules, each used once, and no pool overlaps: all of captum's methods are at home."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16 * 16, 10),
    )  # fmt: skip


NETS = {
    "modules only": (modules_only, "4"),
    "resnet18": (lambda: models.resnet18(weights=None, num_classes=10), "layer2"),
    "mobilenet_v3_small": (lambda: models.mobilenet_v3_small(weights=None, num_classes=10), "features.3"),
}
TARGET = torch.tensor([3, 7])


@pytest.fixture(scope="module", params=NETS)
def case(request):
    build, layer = NETS[request.param]
    torch.manual_seed(0)
    net = build()
    return net.eval(), images(n=2, height=32, width=32), layer


def assert_equal(found, expected):
    expected = expected.detach()
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_gradients(case):
    net, x, _ = case
    assert_equal(salkit.gradient(net, x, TARGET), attr.Saliency(net).attribute(x, TARGET, abs=False))
    assert_equal(salkit.input_x_gradient(net, x, TARGET), attr.InputXGradient(net).attribute(x, TARGET))


@pytest.mark.parametrize(("rule", "theirs"), [("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle")])
def test_integrated_gradients(case, rule, theirs):
    net, x, _ = case
    found, delta = salkit.integrated_gradients(
        net, x, TARGET, baseline=0.2, n_steps=6, rule=rule, return_delta=True
    )
    referee = attr.IntegratedGradients(net)
    expected, gap = referee.attribute(x, 0.2, TARGET, n_steps=6, method=theirs, return_convergence_delta=True)
    assert_equal(found, expected.to(x.dtype))
    torch.testing.assert_close(delta, gap.to(x.dtype), atol=1e-4, rtol=1e-2)


def test_rectifier_rules(case):
    net, x, _ = case
    assert_equal(salkit.guided_backprop(net, x, TARGET), attr.GuidedBackprop(net).attribute(x, TARGET))
    assert_equal(salkit.deconvnet(net, x, TARGET), attr.Deconvolution(net).attribute(x, TARGET))


def test_gradcam(case):
    net, x, layer = case
    expected = attr.LayerGradCam(net, net.get_submodule(layer)).attribute(x, TARGET)
    assert_equal(salkit.gradcam(net, x, TARGET, layer=layer, relu=False, upsample=False), expected)


def test_occlusion(case):
    net, x, _ = case
    for window, stride in ((12, 10), (16, 16)):
        expected = attr.Occlusion(net).attribute(
            x, (3, window, window), (3, stride, stride), 0.5, TARGET, perturbations_per_eval=9
        )
        assert_equal(salkit.occlusion(net, x, TARGET, window=window, stride=stride), expected)


def test_deeplift():
    torch.manual_seed(0)
    net, x = modules_only().eval(), images(n=2, height=32, width=32)
    found = salkit.deeplift(net, x, TARGET, baseline=0.2)
    assert_equal(found, attr.DeepLift(net).attribute(x, torch.full_like(x, 0.2), TARGET))
