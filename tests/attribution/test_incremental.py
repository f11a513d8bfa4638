"""Occlusion from crops is occlusion: on every network it equals ordinary passes, or is not used."""

import pytest
import torch
import torchvision
from odd_models import ODD
from small_nets import images, small_net
from torch import nn
from torch.nn import functional as F

from salkit.attribution import incremental, occlusion, perturbation
from salkit.errors import InputError, SalkitError


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


def pictures(n=1, channels=3, height=26, width=23):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, channels, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", "resnet18 squeezenet1_1 mobilenet_v2 densenet121 googlenet efficientnet_b0".split())
def test_torchvision(name, made):
    options = {"init_weights": False} if name == "googlenet" else {}
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, num_classes=5, **options).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.normal_(module.bias, std=0.1)
    assert_equal(net, pictures(1, 3, 64, 64), window=13, stride=13, batch_size=6)
    assert made[0].on


SIZES = [(8, 5), (1, 1), (7, 7), (26, 3), (26, 23)]


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
    assert_equal(
        net, x, None, baseline=pictures(2).flip(0)[..., : x.shape[2], : x.shape[3]], probability=True, **options
    )
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
    "layer norm over space": layer(nn.LayerNorm, [23]),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_layers(name, order, made):
    def forward(self, x):
        y = self.layer(self.first(x.to(memory_format=order)).sin())
        return self.last(self.second(y).relu()).flatten(1)[:, ::7] if y.ndim == 4 else y.sin().flatten(1)[:, ::7]

    channels = LAYERS[name]()(torch.zeros(1, 3, 26, 23)).shape[1]
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
    y, where = F.max_pool2d(self.conv(x)[..., :20, :20], 2, return_indices=True)
    return self.conv(F.max_unpool2d(y, where, 2)).flatten(1)


def kernel_of_the_rows(self, x):
    y = self.conv(x)
    return (
        F.conv2d(y.flatten(0, 1)[None], y[:, :, :3, :3].flatten(0, 1)[:, None], groups=3 * len(y))[0]
        .unflatten(0, (len(y), 3))
        .flatten(1)
    )


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
    lambda self, x: self.conv(self.conv(x).split(13, 2)[1]).flatten(1),
    lambda self, x: self.conv(torch.cat([x, x], 2)).flatten(1),
    lambda self, x: self.conv(torch.stack([x, x], 1).sum(1)).flatten(1),
    lambda self, x: torch.utils.checkpoint.checkpoint(self.conv, self.conv(x), use_reentrant=False).flatten(1),
    lambda self, x: {"logits": self.conv(self.conv(x)).flatten(1) + 0},
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


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore")
def test_odd_models(kind):
    def outcome(how):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model, x = ODD[kind].build(), ODD[kind].inputs()
            try:
                return how(model, x, ODD[kind].target, window=2).double()
            except SalkitError as error:
                return str(error)

    found, expected = outcome(occlusion), outcome(ordinary)
    if isinstance(expected, str):
        assert found == expected
    else:
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


class Keeps(nn.Module):
    """A model that keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 3, 3), 0

    def forward(self, x):
        self.seen = self.conv(x)
        return self.seen.flatten(1)


def test_a_model_that_keeps_what_it_saw_keeps_a_tensor(made):
    net = Keeps().double().eval()
    assert_equal(net, pictures(), window=6, stride=5)
    assert not made[0].on and type(net.seen) is torch.Tensor


def test_hooks_and_scripts_see_ordinary_passes(made):
    seen = []
    net, x = small_net().eval(), images(n=1, height=20, width=20)
    with net.conv2.register_forward_hook(lambda module, args, output: seen.append(type(output))):
        occlusion(net, x, 0)
    occlusion(torch.jit.trace(net, x), x, 0)
    occlusion(net.half(), x.half(), 0)
    assert set(seen) == {torch.Tensor} and not any(passes.on for passes in made)


def test_most_is_computed_on_crops(monkeypatch, made):
    sizes = []

    def noted(base, crops, corners, known):
        sizes.append((tuple(base.shape[2:]), tuple(crops.shape[2:])))
        return patched(base, crops, corners, known)

    patched = incremental._patched
    monkeypatch.setattr(incremental, "_patched", noted)
    net = nn.Sequential(
        nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(4, 2, 3)
    )
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    occlusion(nn.Sequential(net, head).eval(), images(n=1, height=32, width=32), 0, window=4, stride=4, batch_size=64)
    # Windows of 4 begin at multiples of 4; a kernel of 3 meets 6 places, whose pairs are 4, and then 6 again.
    assert sizes[:6] == [
        ((32, 32), (4, 4)), ((34, 34), (4, 4)), ((32, 32), (6, 6)), ((32, 32), (6, 6)), ((16, 16), (4, 4)),
        ((14, 14), (6, 6)),
    ]  # fmt: skip


def test_errors_of_the_model_are_its_own(made):
    def forward(self, x):
        if len(x) > 1:
            raise ZeroDivisionError("one at a time")
        return self.conv(x).flatten(1)

    net = net_of(forward, conv=nn.Conv2d(3, 3, 3))
    with pytest.raises(InputError, match=r"\(4, 3, 26, 23\).*one at a time"):
        occlusion(net, pictures(), 0, batch_size=4)
    before = torch.get_rng_state()
    occlusion(net, pictures(), 0, batch_size=1)
    assert made[1].on and torch.equal(torch.get_rng_state(), before)
