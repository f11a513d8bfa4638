"""Occlusion from crops is occlusion: on every network it equals ordinary passes, or is not used."""

import random

import odd_models
import pytest
import torch
import torchvision
from small_nets import images, small_net
from torch import nn
from torch.nn import functional as F

from salkit.attribution import incremental, occlusion, perturbation
from salkit.errors import InputError


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks gain nothing by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Small pictures are taken as well; the passes that were made, in their order."""
    made = []

    class Noted(incremental.Incremental):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(incremental, "_FEWEST_PLACES", 0)
    monkeypatch.setattr(perturbation, "Incremental", Noted)
    return made


@pytest.fixture
def cropped(monkeypatch):
    """The functions that were computed on crops."""
    names = []

    def noted(patched):
        def note(base, crops, corners, known):
            names.append(crops.shape)
            return patched(base, crops, corners, known)

        return note

    monkeypatch.setattr(incremental, "_patched", noted(incremental._patched))
    return names


def ordinary(*args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incremental, "_FEWEST_PLACES", torch.inf)
        return occlusion(*args, **options)


def assert_equal(net, x, target=0, **options):
    found, expected = occlusion(net, x, target, **options), ordinary(net, x, target, **options)
    tolerance = 1e-9 if x.dtype == torch.float64 else 1e-4
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * expected.abs().max().item() + 1e-15)


def net_of(forward, **layers):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    Net.forward = forward
    torch.manual_seed(0)
    net = Net().double()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net.eval()


def pictures(n=1, channels=3, height=40, width=37):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, channels, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "name",
    "resnet18 vgg11_bn alexnet squeezenet1_1 mobilenet_v2 mobilenet_v3_small densenet121 googlenet inception_v3 "
    "shufflenet_v2_x0_5 efficientnet_b0 regnet_y_400mf mnasnet0_5 convnext_tiny vit_b_16 swin_t".split(),
)
def test_torchvision(name, made):
    size = {"vit_b_16": 224, "inception_v3": 128}.get(name, 96)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, num_classes=5, **options).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.normal_(module.bias, std=0.1)
    window = size // 6
    assert_equal(net, pictures(1, 3, size, size), window=window, stride=window, batch_size=7)
    assert made[0].on


SIZES = [(8, 5), (1, 1), (7, 7), (40, 3), (40, 37)]


@pytest.mark.parametrize("window", SIZES)
@pytest.mark.parametrize("batch_size", [1, 5, None])
def test_windows_baselines_and_targets(window, batch_size, made):
    net, x = small_net().double().eval(), pictures(2)
    baseline = torch.linspace(0, 1, 3, dtype=torch.float64)[:, None, None]
    stride = max(1, window[0] * 2 // 3), max(window[1] - 1, 1)
    options = dict(window=window, stride=(max(stride[0], 3) if window[0] >= 3 else 1, stride[1]), batch_size=batch_size)
    if window == (1, 1):
        x, options["stride"] = x[..., :9, :8], 1
    assert_equal(net, x, torch.tensor([2, 0]), baseline=baseline, **options)
    assert_equal(net, x, lambda outputs: outputs.view(-1).view(len(outputs), -1).square().sum(1), **options)
    assert_equal(net, x, None, baseline=pictures(2).flip(0)[..., : x.shape[2], : x.shape[3]], probability=True, **options)
    assert made[0].on


def layer(kind, *args, **options):
    return lambda: kind(*args, **options)


LAYERS = {
    "dilated": layer(nn.Conv2d, 3, 4, 3, dilation=2, padding=1),
    "grouped": layer(nn.Conv2d, 3, 6, (1, 4), groups=3, padding=(0, 2), bias=False),
    "steps that skip places": layer(nn.Conv2d, 3, 4, 2, stride=5),
    "much padding": layer(nn.Conv2d, 3, 4, 2, stride=3, padding=7),
    "same": layer(nn.Conv2d, 3, 4, (2, 4), padding="same"),
    "circular": layer(nn.Conv2d, 3, 4, 3, padding=1, padding_mode="circular"),
    "reflected": layer(nn.Conv2d, 3, 4, 3, padding=1, padding_mode="reflect"),
    "transposed": layer(nn.ConvTranspose2d, 3, 4, 3, stride=2),
    "max pool": layer(nn.MaxPool2d, 3, 2, padding=1),
    "max pool, ceil": layer(nn.MaxPool2d, 3, 2, ceil_mode=True),
    "max pool, dilated": layer(nn.MaxPool2d, 2, 3, dilation=3, padding=1),
    "mean pool": layer(nn.AvgPool2d, 3, 2, padding=1),
    "mean pool, ceil": layer(nn.AvgPool2d, 3, 2, ceil_mode=True),
    "mean pool without the padding": layer(nn.AvgPool2d, 3, 2, padding=1, count_include_pad=False),
    "mean pool with a divisor": layer(nn.AvgPool2d, (2, 3), divisor_override=5),
    "p-norm pool": layer(nn.LPPool2d, 2, 3),
    "zero padding": layer(nn.ZeroPad2d, (1, 2, 3, 0)),
    "constant padding": layer(nn.ConstantPad2d, (1, 0, 0, 4), 0.3),
    "cropping": layer(nn.ZeroPad2d, (-1, 2, 3, -2)),
    "upsampling": layer(nn.Upsample, scale_factor=2, mode="bilinear"),
    "unshuffling": layer(nn.PixelUnshuffle, 1),
    "instance norm": layer(nn.InstanceNorm2d, 3, affine=True),
    "group norm": layer(nn.GroupNorm, 1, 3),
    "local response": layer(nn.LocalResponseNorm, 3),
    "parametric": layer(nn.PReLU, 3),
    "hard swish in place": layer(nn.Hardswish, inplace=True),
    "softmax over channels": layer(nn.Softmax2d),
    "dropped channels": layer(nn.Dropout2d, 0.5),
    "unfolded": layer(nn.Unfold, 3),
    "layer norm over space": layer(nn.LayerNorm, [37]),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_layers(name, order, made):
    def forward(self, x):
        y = self.layer(self.first(x.to(memory_format=order)).sin())
        return self.last(self.second(y).relu()).flatten(1)[:, ::7] if y.ndim == 4 else y.sin().flatten(1)[:, ::7]

    channels = LAYERS[name]()(torch.zeros(1, 3, 40, 37)).shape[1]
    net = net_of(
        forward,
        first=nn.Conv2d(3, 3, 3, padding=1),
        layer=LAYERS[name](),
        second=nn.Conv2d(channels, 2, 3, padding=1),
        last=nn.MaxPool2d(2),
    )
    assert_equal(net, pictures(), window=5, stride=4, batch_size=9)
    assert made[0].on


def in_place(self, x):
    y = self.conv(x)
    z = y
    y += 1
    y.mul_(x.mean(1, keepdim=True)).clamp_(max=0.8)
    return (self.conv(z.relu_()) + z).flatten(1)


def views_in_place(self, x):
    y = self.conv(x)
    y[:, 0] = 0
    y[:, 1].mul_(3)
    y.view(len(y), -1)[:, 5] = 7
    return self.conv(y.relu()).flatten(1)


def branches(self, x):
    a, b = self.conv(x), self.conv(self.conv(x.relu()))
    both = torch.cat([a, b, self.pool(a)], 1)
    return (both[:, :3] * both[:, 3:6] - F.conv2d(both, both.new_ones(2, 9, 1, 1)).sum(1, keepdim=True)).flatten(1)


def early_mean(self, x):
    y = self.conv(x)
    gate = y.mean((2, 3), keepdim=True).sigmoid()
    return (self.conv(y) * gate + y.amax((2, 3), keepdim=True)).flatten(1)


def positions(self, x):
    y = self.conv(x)
    across = torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)
    return self.conv(y * across + torch.ones(1, 3, *x.shape[2:], dtype=x.dtype).cumsum(2)).relu().flatten(1)


def per_row(self, x):
    return self.conv(self.conv(x) + x.flatten(1).sum(1)[:, None, None, None]).flatten(1)


def by_value_of_the_batch(self, x):
    y = self.conv(x)
    return self.conv(y.relu() if y.sum() > 0 else y.sigmoid()).flatten(1)


def standardised(self, x):
    weight = self.conv.weight - self.conv.weight.mean()
    x = F.conv2d(x, weight, padding=1)
    weight = self.conv.weight - self.conv.weight.std()
    return F.conv2d(x.relu(), weight, padding=1).flatten(1)


def indices(self, x):
    y, where = F.max_pool2d(self.conv(x), 2, return_indices=True)
    return self.conv(F.max_unpool2d(y, where, 2)).flatten(1)


def kernel_of_the_rows(self, x):
    y = self.conv(x)
    return F.conv2d(y.flatten(0, 1)[None], y[:, :, :3, :3].flatten(0, 1)[:, None], groups=3 * len(y))[0].unflatten(
        0, (len(y), 3)
    ).flatten(1)


def gradient_inside(self, x):
    with torch.enable_grad():
        y = x.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.conv(y).relu().square().sum(), y)
    return self.conv(slope).flatten(1)


def with_itself(self, x):
    y = self.conv(x)
    return torch.where(y > 0, y + y, y * y.abs()).lerp(y, 0.25).div(3).pow(2).flatten(1)


def through_numpy(self, x):
    return self.conv(torch.from_numpy(self.conv(x).numpy())).flatten(1)


def by_type(self, x):
    return self.conv(x if type(x) is torch.Tensor else x + 1).flatten(1)


def axes_in_place(self, x):
    y = self.conv(x).transpose_(2, 3)
    return self.conv(y).flatten(1)


def random_in_evaluation(self, x):
    return F.dropout(self.conv(x), 0.5, training=True).flatten(1)


def by_pointer(self, x):
    return self.conv(x).flatten(1) + (x.data_ptr() % 8)


FORWARDS = [
    in_place, views_in_place, branches, early_mean, positions, per_row, by_value_of_the_batch, standardised, indices,
    kernel_of_the_rows, gradient_inside, with_itself, by_pointer,
    lambda self, x: self.conv(self.conv(x).flip(3)).flatten(1),
    lambda self, x: self.conv(self.conv(x).roll((3, 5), (2, 3))).flatten(1),
    lambda self, x: self.conv(self.conv(x).permute(0, 1, 3, 2).contiguous()).flatten(1),
    lambda self, x: self.conv(self.conv(x)[:, :, 3:, ::2]).flatten(1),
    lambda self, x: self.conv(self.conv(x).split(20, 2)[1]).flatten(1),
    lambda self, x: self.conv(torch.cat([x, x], 2)).flatten(1),
    lambda self, x: self.conv(torch.stack([x, x], 1).sum(1)).flatten(1),
    lambda self, x: torch.utils.checkpoint.checkpoint(self.conv, self.conv(x), use_reentrant=False).flatten(1),
    lambda self, x: {"logits": self.conv(self.conv(x)).flatten(1)},
    lambda self, x: self.conv(self.conv(x.float().double())).to(torch.float32).flatten(1).double(),
    lambda self, x: self.conv(torch.vmap(self.conv)(x)).flatten(1),
    lambda self, x: self.conv(x).mT.mT.contiguous(memory_format=torch.channels_last).relu().flatten(1),
    lambda self, x: self.conv((x - torch.ones(1, 3, 1, 1)) / torch.ones(3, 1, 1).double()).flatten(1),
    lambda self, x: self.conv(x + torch.ones(1, 1, 3, 1, 1))[0].flatten(1) if x.ndim == 5 else self.conv(x).flatten(1),
]  # fmt: skip


@pytest.mark.parametrize("forward", FORWARDS, ids=[f"{i} {f.__name__}" for i, f in enumerate(FORWARDS)])
def test_forwards(forward, made):
    net = net_of(forward, conv=nn.Conv2d(3, 3, 3, padding=1), pool=nn.MaxPool2d(3, 1, 1))
    assert_equal(net, pictures(), 5, window=6, stride=5, batch_size=9)
    assert made[0].on or forward in (indices,)


@pytest.mark.parametrize("forward", [through_numpy, by_type, axes_in_place, random_in_evaluation])
def test_models_that_look_at_what_they_are_given_have_ordinary_passes(forward, made):
    net = net_of(forward, conv=nn.Conv2d(3, 3, 3, padding=1))
    assert_equal(net, pictures(), 5, window=6, stride=5, batch_size=9)
    assert not made[0].on


