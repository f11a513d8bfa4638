"""Equal to captum (and Grad-CAM to pytorch-grad-cam), within 1e-4 of a map's largest value, wherever these compute
what the definition says.

Where it does not, the definition decides, and is tested elsewhere: guided backprop and deconvnet with functional
rectifiers or pre-activation blocks (test_rectifiers), trapezoid weights (test_path), SmoothGrad's noise (test_smooth).
"""

import copy

import pytest
import torch
from small_nets import images
from torch import nn

import salkit
from salkit.models import trained

attr = pytest.importorskip("captum.attr")
models = pytest.importorskip("torchvision.models")
pytestmark = pytest.mark.filterwarnings("ignore")


def modules_only():
    """Rectifiers are modules, each used once, and no pool overlaps: all of captum's methods are at home."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16 * 16, 10),
    )  # fmt: skip


def random(name):
    return lambda: models.get_model(name, weights=None, num_classes=10)


# How to build a network, and a layer with a grid.
NETS = {
    "modules only": (modules_only, "4"),
    "resnet18": (random("resnet18"), "layer2"),
    "vgg11": (random("vgg11"), "features.8"),
    "mobilenet_v3_small": (random("mobilenet_v3_small"), "features.3"),
    "densenet121": (random("densenet121"), "features.denseblock2"),
    "fc, trained": (lambda: trained("fc"), None),
    "shallow_cnn, trained": (lambda: trained("shallow_cnn"), "net.features.2"),
    "resnet18, trained": (lambda: trained("resnet18"), "net.layer2"),
    "efficientnet_b0, trained": (lambda: trained("efficientnet_b0"), "net.features.4"),
}
# DenseNet's last rectifier is a function call, and captum misses it; EfficientNet has none.
NO_RULES = ("densenet121", "efficientnet_b0, trained")
TARGET = torch.tensor([3, 7])


@pytest.fixture(scope="module", params=NETS)
def case(request):
    build, layer = NETS[request.param]
    torch.manual_seed(0)
    net = build()
    return request.param, net.eval(), images(n=2, height=32, width=32), layer


def assert_equal(found, expected):
    expected = expected.detach()
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_gradients(case):
    _, net, x, _ = case
    assert_equal(salkit.gradient(net, x, TARGET), attr.Saliency(net).attribute(x, TARGET, abs=False))
    assert_equal(salkit.input_x_gradient(net, x, TARGET), attr.InputXGradient(net).attribute(x, TARGET))


@pytest.mark.parametrize(("rule", "theirs"), [("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle")])
def test_integrated_gradients(case, rule, theirs):
    _, net, x, _ = case
    found, delta = salkit.integrated_gradients(
        net, x, TARGET, baseline=0.2, n_steps=6, rule=rule, return_delta=True
    )
    referee = attr.IntegratedGradients(net)
    expected, gap = referee.attribute(x, 0.2, TARGET, n_steps=6, method=theirs, return_convergence_delta=True)
    assert_equal(found, expected.to(x.dtype))
    torch.testing.assert_close(delta, gap.to(x.dtype), atol=1e-4, rtol=1e-2)


def test_rectifier_rules(case):
    name, net, x, _ = case
    if name in NO_RULES:
        pytest.skip("captum does not compute the definition: see test_rectifiers and book/referees.md")
    assert_equal(salkit.guided_backprop(net, x, TARGET), attr.GuidedBackprop(net).attribute(x, TARGET))
    assert_equal(salkit.deconvnet(net, x, TARGET), attr.Deconvolution(net).attribute(x, TARGET))


def test_gradcam(case):
    _, net, x, layer = case
    if layer is None:
        pytest.skip("no layer has a grid")
    expected = attr.LayerGradCam(net, net.get_submodule(layer)).attribute(x, TARGET)
    assert_equal(salkit.gradcam(net, x, TARGET, layer=layer, relu=False, upsample=False), expected)


# The scores are multiplied by the number: theirs adds 1e-6 to the divisor of Grad-CAM++, which for the gradients of
# random networks is more than the divisor itself.
BY_PYTORCH_GRAD_CAM = {
    "gradcam": ("GradCAM", 1),
    "hirescam": ("HiResCAM", 1),
    "layercam": ("LayerCAM", 1),
    "gradcam_plus_plus": ("GradCAMPlusPlus", 1e9),
}


@pytest.mark.parametrize("method", BY_PYTORCH_GRAD_CAM)
def test_the_family_by_pytorch_grad_cam(case, method):
    """Before it is scaled to [0, 1], which is what ``pytorch-grad-cam`` returns."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    theirs, scale = BY_PYTORCH_GRAD_CAM[method]

    class Unscaled(getattr(pytorch_grad_cam, theirs)):
        def get_cam_image(self, *args):
            self.unscaled = super().get_cam_image(*args)
            return self.unscaled

    name, net, x, layer = case
    if layer is None:
        pytest.skip("no layer has a grid")
    if name == "vgg11":  # it keeps the output that the in-place rectifier overwrites: look behind that
        layer = "features.9"
    net, x, layer = nn.Sequential(copy.deepcopy(net).double(), Times(scale)), x.double(), f"0.{layer}"
    found = salkit.METHODS[method](net, x, TARGET, layer=layer, relu=False, upsample=False)
    with Unscaled(net, [net.get_submodule(layer)]) as referee:
        referee(x, [ClassifierOutputTarget(label) for label in TARGET.tolist()])
    assert_equal(found[:, 0], torch.from_numpy(referee.unscaled).double())


class Times(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return self.scale * x


def test_occlusion(case):
    _, net, x, _ = case
    for window, stride in ((12, 10), (16, 16)):
        expected = attr.Occlusion(net).attribute(
            x, (3, window, window), (3, stride, stride), 0.5, TARGET, perturbations_per_eval=9
        )
        assert_equal(salkit.occlusion(net, x, TARGET, window=window, stride=stride), expected)
