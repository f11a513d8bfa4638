"""The smallest network of every family of torchvision's classifiers, with every method that applies to it.

What does not apply is listed here, with the reason that `Method.why_not` gives.
"""

import pytest
from small_nets import images

from salkit.attribution import METHODS
from tools.referees import CLASSIFIERS, classifier

pytest.importorskip("torchvision")
pytestmark = pytest.mark.filterwarnings("ignore")

RECTIFIER = ("guided_backprop", "deconvnet", "guided_gradcam")
NO_RELU = dict.fromkeys(RECTIFIER, "no ReLU")
NO_POOLED_HEAD = {"cam": "global average pool"}
OTHER_LAYOUT = {"gradcam": "reshape=", "guided_gradcam": "no ReLU"}

# What does not apply, and a part of the reason.
MISSING = {
    "alexnet": NO_POOLED_HEAD,
    "convnext_tiny": {**NO_RELU, **NO_POOLED_HEAD},  # a layer norm lies between pool and head
    "densenet121": {},
    "efficientnet_b0": NO_RELU,
    "googlenet": {},
    "inception_v3": {},
    "mnasnet0_5": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": NO_POOLED_HEAD,  # two linear layers
    "regnet_x_400mf": {},
    "regnet_y_400mf": {},
    "resnet18": {},
    "resnext50_32x4d": {},
    "shufflenet_v2_x0_5": {},
    "squeezenet1_1": {},
    "swin_t": {**NO_RELU, **OTHER_LAYOUT},
    "vgg11": NO_POOLED_HEAD,
    "vit_b_32": {**NO_RELU, **OTHER_LAYOUT, **NO_POOLED_HEAD},
}
CHEAP = {
    "smoothgrad": {"n_samples": 1},
    "integrated_gradients": {"n_steps": 2},
    "occlusion": {"window": 48, "stride": 48},
    "rise": {"n_masks": 2},
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_method_that_applies(name):
    net, size = classifier(name, num_classes=5)
    net.train()
    x = images(n=1, height=size, width=size)
    reasons = {method: METHODS[method].why_not(net, x) for method in METHODS}
    assert {method for method, reason in reasons.items() if reason} == set(MISSING[name])
    for method, part in MISSING[name].items():
        assert part in reasons[method]
    for method in METHODS.keys() - MISSING[name].keys():
        found = METHODS[method](net, x, 1, **CHEAP.get(method, {}))
        assert found.shape == (x if method not in ("gradcam", "cam") else x[:, :1]).shape, method
        assert found.isfinite().all(), method
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
