"""The classifiers of torchvision: what applies to each, and every method on the smallest of each family.

What a family does not have is listed here.
"""

import pytest
import torch
from small_nets import images

from salkit.attribution import METHODS
from salkit.attribution.registry import A_POOLED_HEAD, A_RELU, CHECKS

torchvision = pytest.importorskip("torchvision")
pytestmark = pytest.mark.filterwarnings("ignore")

# The smallest network of every family of torchvision's classifiers.
CLASSIFIERS = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32",
)  # fmt: skip
# Where 64 pixels and no options won't do: how to build it, and a size that leaves its last grid more than one place.
SETTINGS = {
    "alexnet": ({}, 96),
    "googlenet": ({"init_weights": False, "aux_logits": False}, 64),  # the initialisation takes seconds
    "inception_v3": ({"init_weights": False, "aux_logits": False}, 140),
    "maxvit_t": ({}, 224),
    "vit_h_14": ({"image_size": 56}, 56),
    "vit": ({"image_size": 64}, 64),
}

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
    *("vgg11_bn", "vgg19", "vgg19_bn", "vit_b_16", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2"),
}


def classifier(name):
    """A classifier with random weights, always the same, and the size of images to give it."""
    options, size = next((settings for start, settings in SETTINGS.items() if name.startswith(start)), ({}, 64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, num_classes=5, **options), size


def applied(name):
    """A classifier, images for it, and what doesn't apply, after a check of the reasons."""
    (gaps,) = (gaps for start, gaps in MISSING.items() if name.startswith(start))
    net, size = classifier(name)
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
