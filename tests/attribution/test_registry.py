import pytest
import torch
from small_nets import images, small_net
from torch import nn

from salkit.attribution import METHODS
from salkit.attribution.registry import A_GRID, A_POOLED_HEAD, A_RELU, CHECKS, SPATIAL_AXES
from salkit.errors import SalkitError


def reasons(net, x):
    return {name for name, method in METHODS.items() if method.why_not(net, x)}


def test_everything_applies_to_a_small_cnn_and_nothing_is_changed_by_asking():
    net = small_net().train()
    state = torch.get_rng_state()
    assert reasons(net, images()) == set()
    assert net.training and not any(module._forward_hooks for module in net.modules())
    assert torch.equal(torch.get_rng_state(), state)


CASES = {
    "no grid": (nn.Sequential(nn.Flatten(), nn.Linear(162, 8), nn.ReLU(), nn.Linear(8, 3)), images()),
    "no rectifier": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(112, 3)), images()),
    "features": (nn.Sequential(nn.Linear(5, 8), nn.Sigmoid(), nn.Linear(8, 3)), torch.rand(2, 5)),
}
NOT_THERE = {
    "no grid": {A_GRID, A_POOLED_HEAD},
    "no rectifier": {A_RELU, A_POOLED_HEAD},
    "features": {A_GRID, A_POOLED_HEAD, A_RELU, SPATIAL_AXES},
}


def missing(case):
    return {name for name, method in METHODS.items() if NOT_THERE[case] & set(method.needs)}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_apply_says_why_and_the_rest_works(case):
    net, x = CASES[case]
    assert reasons(net, x) == missing(case)
    for name, method in METHODS.items():
        if name in missing(case):
            assert isinstance(method.why_not(net, x), str)
        else:
            options = {"n_masks": 3} if name == "rise" else {}
            assert method(net, x, 1, **options).isfinite().all()


def test_the_reason_is_that_of_the_error():
    net, x = CASES["no grid"]
    with pytest.raises(SalkitError) as error:
        METHODS["gradcam"](net, x)
    assert METHODS["gradcam"].why_not(net, x) == str(error.value)


def test_each_method_says_what_it_costs_and_needs():
    assert all(method.passes and set(method.needs) <= set(CHECKS) for method in METHODS.values())
