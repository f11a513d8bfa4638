"""The classifiers of torchvision: what applies to each, and every method on the smallest of each family.

What does not apply is listed here, with the reason that `Method.why_not` gives.
"""

import pytest
import torch
from small_nets import images

from salkit.attribution import METHODS

torchvision = pytest.importorskip("torchvision")
pytestmark = pytest.mark.filterwarnings("ignore")

RECTIFIER = ("guided_backprop", "deconvnet", "guided_gradcam")
NO_RELU = dict.fromkeys(RECTIFIER, "no ReLU")
NO_POOLED_HEAD = {"cam": "global average pool"}
OTHER_LAYOUT = {"gradcam": "reshape=", "guided_gradcam": "no ReLU"}

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

# What does not apply, by how the names of the family begin, and a part of the reason.
MISSING = {
    "alexnet": NO_POOLED_HEAD,
    "convnext": {**NO_RELU, **NO_POOLED_HEAD},  # a layer norm lies between pool and head
    "densenet": {},
    "efficientnet": NO_RELU,
    "googlenet": {},
    "inception": {},
    "maxvit": {**NO_RELU, **NO_POOLED_HEAD},
    "mnasnet": {},
    "mobilenet_v2": {},
    "mobilenet_v3": NO_POOLED_HEAD,  # two linear layers
    "regnet": {},
    "resnet": {},
    "resnext": {},
    "shufflenet": {},
    "squeezenet": {},
    "swin": {**NO_RELU, **OTHER_LAYOUT},
    "vgg": NO_POOLED_HEAD,
    "vit": {**NO_RELU, **OTHER_LAYOUT, **NO_POOLED_HEAD},
    "wide_resnet": {},
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


def classifier(name):
    """A classifier with random weights, always the same, and the size of images to give it."""
    options, size = next((settings for start, settings in SETTINGS.items() if name.startswith(start)), ({}, 64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, num_classes=5, **options), size


def applied(name):
    """A classifier, images for it, and what doesn't apply, after a check of the reasons."""
    (missing,) = (gaps for start, gaps in MISSING.items() if name.startswith(start))
    net, size = classifier(name)
    net.train()
    x = images(n=1, height=size, width=size)
    reasons = {method: METHODS[method].why_not(net, x) for method in METHODS}
    assert {method for method, reason in reasons.items() if reason} == set(missing)
    for method, part in missing.items():
        assert part in reasons[method]
    return net, x, set(missing)


def check_untouched(net):
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_method_that_applies(name):
    net, x, missing = applied(name)
    options = cheap(x.shape[-1])
    for method in METHODS.keys() - missing:
        found = METHODS[method](net, x, 1, **options.get(method, {}))
        assert found.shape == (x if method not in ("gradcam", "cam") else x[:, :1]).shape, method
        assert found.isfinite().all(), method
    check_untouched(net)


LARGER = {*torchvision.models.list_models(module=torchvision.models)} - {*CLASSIFIERS} - TOO_LARGE


@pytest.mark.parametrize("name", sorted(LARGER))
def test_what_applies_to_the_larger_ones(name):
    net, _, _ = applied(name)
    check_untouched(net)
