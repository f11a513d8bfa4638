"""The networks: sizes, shapes, strides, and that they take images in [0, 1]."""

import pytest
import torch

from salkit.models import (
    ARCHITECTURES,
    Normalize,
    count_parameters,
    efficientnet_b0,
    fc_net,
    resnet18,
    shallow_cnn,
    small_cnn,
)

PARAMETERS = {
    "fc": 4_889_834,
    "shallow_cnn": 2_131_530,
    "resnet18": 11_181_642,
    "efficientnet_b0": 4_020_358,
    "small_cnn": 539_178,
    "cnn_48_96_192": 996_138,
    "alexnet": 2_472_266,
    "vgg11": 9_225_610,
}
# Images that a network can take; AlexNet's strides need 63 pixels at least.
SIZES = {name: 64 if name == "alexnet" else 32 for name in PARAMETERS}
STRIDES = [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_table_names_them_all():
    assert set(ARCHITECTURES) == set(PARAMETERS)


@pytest.mark.parametrize("name, count", PARAMETERS.items())
def test_parameter_counts_are_those_that_the_docstrings_and_sources_give(name, count):
    assert count_parameters(ARCHITECTURES[name]()) == count


@pytest.mark.parametrize("strides", STRIDES)
def test_strides_and_dropout_hold_no_weights(strides):
    assert count_parameters(resnet18(strides=strides)) == PARAMETERS["resnet18"]
    adapted = efficientnet_b0(strides=strides, dropout=0.0, stochastic_depth=0.0)
    assert count_parameters(adapted) == PARAMETERS["efficientnet_b0"]


def test_width_scales_every_convolution_and_is_32_by_default():
    channels = {
        width: [m.out_channels for m in small_cnn(2, width=width).modules() if isinstance(m, torch.nn.Conv2d)]
        for width in (4, 32)
    }
    assert channels == {4: [4, 8, 16, 16, 32], 32: [32, 64, 128, 128, 256]}
    # Weights, scales and shifts of the convolutions, and the linear layer.
    assert count_parameters(small_cnn(2, width=4)) == 9 * (12 + 32 + 128 + 256 + 512) + 2 * 76 + 2 * 33
    assert str(small_cnn(2, width=32)) == str(small_cnn(2))


def test_strides_make_the_same_grid_of_a_larger_image():
    wide = small_cnn(strides=(2, 2, 2, 2, 1))
    assert count_parameters(wide) == PARAMETERS["small_cnn"]
    with torch.no_grad():
        assert wide.net.features(torch.rand(1, 3, 128, 128)).shape == (1, 256, 8, 8)
        assert small_cnn().net.features(torch.rand(1, 3, 32, 32)).shape == (1, 256, 8, 8)
    with pytest.raises(ValueError):
        small_cnn(strides=(2, 2, 2, 2))


def test_relu_holds_no_weights_and_changes_the_answer():
    torch.manual_seed(0)
    plain, rectified = shallow_cnn(), shallow_cnn(relu=True)
    assert count_parameters(rectified) == PARAMETERS["shallow_cnn"]
    for target, source in zip(rectified.parameters(), plain.parameters(), strict=True):
        target.data.copy_(source.data)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(plain(images), rectified(images))


def test_without_relu_the_convolutions_are_one_affine_map():
    torch.manual_seed(0)
    convolutions = shallow_cnn().net.features[:3]
    a, b = torch.rand(2, 1, 3, 32, 32).unbind()
    with torch.no_grad():
        torch.testing.assert_close(
            convolutions((a + b) / 2), (convolutions(a) + convolutions(b)) / 2, atol=1e-6, rtol=1e-5
        )


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("classes", [10, 3])
def test_one_logit_for_each_class(name, classes):
    model = ARCHITECTURES[name](classes).eval()
    with torch.no_grad():
        logits = model(torch.rand(2, 3, SIZES[name], SIZES[name]))
    assert logits.shape == (2, classes)
    assert logits.min() < 0 or not torch.allclose(logits.sum(1), torch.ones(2)), "logits, not a softmax"


@pytest.mark.parametrize(
    "strides, grid", [((2, 2), 1), ((1, 2), 2), ((2, 1), 2), ((1, 1), 4)]
)  # 32 pixels halved five times, or fewer
def test_strides_set_the_last_grid(strides, grid):
    images = torch.rand(1, 3, 32, 32)
    shapes = []
    for model, layer in ((resnet18(strides=strides), "layer4"), (efficientnet_b0(strides=strides), "features")):
        getattr(model.net, layer).register_forward_hook(lambda module, args, out: shapes.append(out.shape[-2:]))
        with torch.no_grad():
            model.eval()(images)
    assert shapes == [(grid, grid)] * 2


def test_normalize_by_hand():
    layer = Normalize((0.5, 0.0), (0.25, 2.0))
    images = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
    assert layer(images).flatten().tolist() == [2.0, 0.5]
    assert count_parameters(layer) == 0
    assert set(layer.state_dict()) == {"mean", "std"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_first_layer_normalises(name):
    first = next(iter(ARCHITECTURES[name]()))
    assert isinstance(first, Normalize)
    assert 0.4 < first.mean.min() and first.mean.max() < 0.5


def test_count_parameters_counts_frozen_ones_and_no_buffers():
    model = fc_net()
    model.net[1].requires_grad_(False)
    assert count_parameters(model) == PARAMETERS["fc"]
    assert count_parameters(torch.nn.BatchNorm2d(7)) == 14
