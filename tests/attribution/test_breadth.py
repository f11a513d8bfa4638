"""The classifiers of torchvision: what applies to each, and every method on the smallest of each family.

What a family does not have is listed here.
"""

import pytest
from small_nets import images

from salkit.attribution import METHODS
from salkit.attribution.registry import A_POOLED_HEAD, A_RELU, CHECKS
from tools.referees import CLASSIFIERS, classifier

torchvision = pytest.importorskip("torchvision")
pytestmark = pytest.mark.filterwarnings("ignore")

# What is not there, by how the names of the family begin; and a part of the reason.
REASONS = {A_RELU: "no ReLU", A_POOLED_HEAD: "global average pool"}
MISSING = {
    "alexnet": {A_POOLED_HEAD},
    "convnext": {A_RELU, A_POOLED_HEAD},  # a layer norm lies between pool and head
    "densenet": set(),
    "efficientnet": {A_RELU},
    "googlenet": set(),
    "inception": set(),
    "maxvit": {A_RELU, A_POOLED_HEAD},
    "mnasnet": set(),
    "mobilenet_v2": set(),
    "mobilenet_v3": {A_POOLED_HEAD},  # two linear layers
    "regnet": set(),
    "resnet": set(),
    "resnext": set(),
    "shufflenet": set(),
    "squeezenet": set(),
    "swin": {A_RELU},
    "vgg": {A_POOLED_HEAD},
    "vit": {A_RELU, A_POOLED_HEAD},
    "wide_resnet": set(),
}


def cheap(size):
    """Options with which a method takes few passes."""
    return {
        "smoothgrad": {"n_samples": 1},
        "integrated_gradients": {"n_steps": 2},
        "occlusion": {"window": 3 * size // 4, "stride": 3 * size // 4},
        "rise": {"n_masks": 2},
    }


# More than 30 million weights each, in layers that smaller ones of their family have as well: a minute of work.
TOO_LARGE = {
    *("convnext_base", "convnext_large", "convnext_small", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7"),
    *("efficientnet_v2_l", "efficientnet_v2_m", "regnet_x_16gf", "regnet_x_32gf", "regnet_x_8gf", "regnet_y_128gf"),
    *("regnet_y_16gf", "regnet_y_32gf", "regnet_y_8gf", "resnet101", "resnet152", "resnext101_32x8d"),
    *("resnext101_64x4d", "swin_b", "swin_s", "swin_v2_b", "swin_v2_s", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn"),
    *("vgg19", "vgg19_bn", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2"),
}


def applied(name):
    """A classifier, images for it, and what doesn't apply, after a check of the reasons."""
    (gaps,) = (gaps for start, gaps in MISSING.items() if name.startswith(start))
    net, size = classifier(name, num_classes=5)
    net.train()
    x = images(n=1, height=size, width=size)
    reasons = {need: check(net, x) for need, check in CHECKS.items()}
    assert {need for need, reason in reasons.items() if reason} == gaps
    assert all(REASONS[need] in reasons[need] for need in gaps)
    return net, x, {method for method in METHODS if gaps & set(METHODS[method].needs)}


def check_untouched(net):
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_method_that_applies(name):
    net, x, missing = applied(name)
    options = cheap(x.shape[-1])
    for method in METHODS.keys() - missing:
        found = METHODS[method](net, x, 1, **options.get(method, {}))
        assert found.shape == (x[:, :1] if METHODS[method].one_channel else x).shape, method
        assert found.isfinite().all(), method
    check_untouched(net)


LARGER = {*torchvision.models.list_models(module=torchvision.models)} - {*CLASSIFIERS} - TOO_LARGE


@pytest.mark.parametrize("name", sorted(LARGER))
def test_what_applies_to_the_larger_ones(name):
    net, _, _ = applied(name)
    check_untouched(net)
