"""Where the CAM family looks when no layer is named, on networks that nobody here wrote."""

import pytest
import torch
from small_nets import images
from torch import nn
from torch.nn import functional as F

from salkit.attribution import METHODS, cam, gradcam, hirescam
from salkit.errors import InputError, LayerError, NoTargetLayerError, SalkitWarning

torchvision = pytest.importorskip("torchvision")


def correlation(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


# ------------------------------------------------------------------- one function, however the rectifier is spelt


class Spelt(nn.Module):
    """Two convolutions with norms, a skip connection, a pooled head; ``act(i)`` is the i-th activation."""

    def __init__(self, act, skip):
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        for norm in (self.norm1, self.norm2):
            norm.running_mean.uniform_(-0.5, 0.5)
        self.head = nn.Linear(6, 4)
        acts = [act() for _ in range(2)]
        self.modules_of_acts = nn.ModuleList({id(a): a for a in acts if isinstance(a, nn.Module)}.values())
        self.acts, self.skip = acts, skip

    def forward(self, x):
        first, second = self.acts
        h = first(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(h))
        y = second(y + h if self.skip else y)
        return self.head(y.mean((2, 3)))


def written_in_place(function_):
    def act(x):
        function_(x)  # what it returns is not looked at
        return x

    return act


def once(module):
    return lambda: module


SPELLINGS = {
    "ReLU": [
        nn.ReLU, lambda: F.relu, lambda: torch.relu, lambda: torch.Tensor.relu, lambda: nn.ReLU(inplace=True),
        lambda: written_in_place(torch.relu_), once(nn.ReLU()), lambda: lambda x: x.clamp(min=0),
    ],
    "ReLU6": [nn.ReLU6, lambda: F.relu6, lambda: lambda x: F.hardtanh(x, 0, 6), once(nn.ReLU6(inplace=True))],
    "SiLU": [nn.SiLU, lambda: F.silu, lambda: lambda x: x * torch.sigmoid(x), lambda: nn.SiLU(inplace=True)],
    "GELU": [nn.GELU, lambda: F.gelu, once(nn.GELU())],
    "tanh": [nn.Tanh, lambda: torch.tanh, lambda: torch.Tensor.tanh_],
}  # fmt: skip


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", SPELLINGS)
def test_the_map_does_not_depend_on_how_the_activation_is_spelt(kind, skip):
    x = images(height=12, width=16)
    maps, cams = [], []
    for act in SPELLINGS[kind]:
        net = Spelt(act, skip).eval()
        maps.append(gradcam(net, x, 1, relu=False, upsample=False))
        cams.append(cam(net, x, 1, upsample=False))
    # By hand: behind the last activation, where the head is linear.
    net, seen = Spelt(SPELLINGS[kind][0], skip).eval(), []
    net.acts[1].register_forward_hook(lambda _m, _i, out: seen.append(out.detach().clone()))
    net(x)
    expected = torch.einsum("k,nkhw->nhw", net.head.weight[1].detach(), seen[0])[:, None]
    for found, exact in zip(maps, cams):
        torch.testing.assert_close(found, expected / (6 * 8), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(exact, expected, atol=1e-6, rtol=1e-5)


class WithFunctions(nn.Module):
    """A MobileNetV2 whose ``nn.ReLU6`` are functions."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.ReLU6):
                    setattr(module, name, Function())

    def forward(self, x):
        return self.net(x)


class Function(nn.Module):
    def forward(self, x):
        return F.relu6(x)


def test_mobilenet_with_functions_for_modules():
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v2(weights=None, num_classes=5).eval()
    x = images(n=2, height=64, width=64)
    net(x)
    for module in net.modules():  # as in a trained network, the values keep their size
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = None
    with torch.no_grad():
        net(x)
    net.eval()
    modules = gradcam(net, x, 1, relu=False, upsample=False)
    functions = gradcam(WithFunctions(net), x, 1, relu=False, upsample=False)
    assert modules.abs().max() > 1e-3
    torch.testing.assert_close(functions, modules, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(cam(net, x, 1, upsample=False) / 4, modules, atol=1e-6, rtol=1e-5)


def test_densenet_whose_last_rectifier_is_a_function():
    torch.manual_seed(0)
    net = torchvision.models.densenet121(weights=None, num_classes=5).eval()
    x = images(n=2, height=96, width=96)
    found = gradcam(net, x, 1, relu=False)
    assert correlation(found, cam(net, x, 1)) > 1 - 1e-6


class Rest(nn.Module):
    """One ReLU6 for the whole network, as in EfficientNet-Lite."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.top, self.act = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU6()
        self.pool, self.dropout, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Linear(8, 3)

    def forward(self, x):
        x = self.act(self.top(self.act(self.stem(4 * x))) * 5)
        return self.fc(self.dropout(self.pool(x).flatten(1)))


def test_cam_where_one_rectifier_is_used_throughout():
    net, x = Rest().eval(), images()
    found = cam(net, x, 1, upsample=False)
    torch.testing.assert_close(found.mean((1, 2, 3)), net(x)[:, 1].detach() - net.fc.bias[1].detach())
    torch.testing.assert_close(found / found[0, 0].numel(), gradcam(net, x, 1, relu=False, upsample=False))


# ----------------------------------------------------------------------------------------------------- transformers


def vision_transformer(size=(64, 64), layers=3):
    torch.manual_seed(0)
    net = torchvision.models.VisionTransformer(64, 16, layers, 2, 32, 64, num_classes=5)
    nn.init.normal_(net.heads.head.weight)
    return net.eval()


def test_a_class_token_is_followed_back_to_the_norm_before_the_last_attention():
    net, x = vision_transformer(), images(height=64, width=64)

    def grid(tokens):
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 4))

    found = gradcam(net, x, 1, relu=False)
    norm = "encoder.layers.encoder_layer_2.ln_1"
    torch.testing.assert_close(found, gradcam(net, x, 1, layer=norm, reshape=grid, relu=False))
    torch.testing.assert_close(found, gradcam(net, x, 1, layer=norm, relu=False))
    assert found.abs().max() > 1e-3
    # After the last attention the patches are not used any more.
    with pytest.warns(SalkitWarning, match="3 of 3 .* zero. For 3, nothing after this layer uses .*last attention"):
        assert gradcam(net, x, 0, layer="encoder.ln", reshape=grid).eq(0).all()


def test_a_head_of_zeros_finds_the_same_place_and_says_that_the_map_is_zero():
    net, x = vision_transformer(), images(height=64, width=64)
    nn.init.zeros_(net.heads.head.weight)
    with pytest.warns(SalkitWarning, match="all zero. For 3, nothing after"):
        assert gradcam(net, x, 1, upsample=False).shape == (3, 1, 4, 4)
    assert METHODS["gradcam"].why_not(net, x) is None


SIZES = {"vit_b_16": 32, "maxvit_t": 224}


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "swin_v2_t", "maxvit_t"])
def test_transformers_of_torchvision(name):
    size = SIZES.get(name, 64)
    options = {"image_size": size} if name.startswith("vit") else {}
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, num_classes=5, **options).eval()
    if name.startswith("vit"):
        nn.init.normal_(net.heads.head.weight)
    x = images(n=2, height=size, width=size)
    found = gradcam(net, x, 1, relu=False, upsample=False)
    assert found.shape == (2, 1, *((7, 7) if name == "maxvit_t" else (2, 2)))
    assert (found.flatten(1).std(1) > 0).all()
    if name.startswith("swin"):  # the norm, the mean, and a linear layer
        assert correlation(found, cam(net, x, 1, upsample=False)) > 1 - 1e-6


class Logits(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).logits


def from_timm(name, **options):
    timm = pytest.importorskip("timm")
    return timm.create_model(name, pretrained=False, num_classes=5, **options)


def from_transformers(kind, **options):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(image_size=64, num_labels=5, **options)
    return Logits(getattr(transformers, f"{kind}ForImageClassification")(config))


PLAIN = dict(patch_size=16, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
WINDOWS = dict(patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4)
# How to build it, the module behind which the default looks, and the tokens before its grid.
INTEROP = {
    "timm ViT": (lambda: from_timm("vit_tiny_patch16_224", img_size=64), "blocks.11.norm1", 1),
    "timm ViT, averaged": (
        lambda: from_timm("vit_tiny_patch16_224", img_size=64, global_pool="avg"), "blocks.11", 1
    ),
    "timm DeiT, distilled": (
        lambda: from_timm("deit_tiny_distilled_patch16_224", img_size=64), "blocks.11.norm1", 2
    ),
    "timm ViT, registers": (
        lambda: from_timm("vit_small_patch14_reg4_dinov2", img_size=56), "blocks.11.norm1", 5
    ),
    "timm Swin": (lambda: from_timm("swin_tiny_patch4_window7_224", img_size=64), "norm", None),
    "HF ViT": (lambda: from_transformers("ViT", **PLAIN), "net.vit.layers.2.layernorm_before", 1),
    "HF DeiT": (lambda: from_transformers("DeiT", **PLAIN), "net.deit.layers.2.layernorm_before", 2),
    "HF Swin": (lambda: from_transformers("Swin", **WINDOWS), "net.swin.layernorm", 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", INTEROP)
def test_transformers_of_others(kind):
    build, layer, before = INTEROP[kind]
    torch.manual_seed(0)
    net = build().eval()
    for parameter in net.parameters():  # live weights: no zero heads, no scales of 1e-5
        if not parameter.any() or parameter.abs().max() < 1e-3:
            nn.init.normal_(parameter, std=0.1)
    size = 56 if "registers" in kind else 64
    x = images(n=2, height=size, width=size)

    def grid(values):
        if before is None:
            return values.permute(0, 3, 1, 2)
        tokens = values[:, before:].transpose(1, 2)
        side = round(tokens.shape[2] ** 0.5)
        return tokens.unflatten(2, (side, side))

    for method in (gradcam, hirescam):
        found = method(net, x, 1, relu=False)
        assert found.shape == (2, 1, size, size) and (found.flatten(1).std(1) > 0).all()
        torch.testing.assert_close(found, method(net, x, 1, layer=layer, reshape=grid, relu=False))


class Unfolded(nn.Module):
    """Patches without a convolution, so that only their number tells of the grid; ``extra`` tokens in front."""

    def __init__(self, patch, extra):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.embed = patch, nn.Linear(3 * patch**2, 16)
        self.extra, self.norm, self.head = nn.Parameter(torch.randn(1, extra, 16)), nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, x):
        tokens = self.embed(F.unfold(x, self.patch, stride=self.patch).transpose(1, 2))
        tokens = self.norm(torch.cat([self.extra.expand(len(x), -1, -1), tokens], 1))
        return self.head(tokens.mean(1))


def test_tokens_whose_grid_is_not_to_be_told():
    x = images(height=24, width=24)
    assert gradcam(Unfolded(4, 1), x, 1, relu=False, upsample=False).shape == (3, 1, 6, 6)
    net = Unfolded(8, 0)  # nine tokens: 3 x 3, or 2 x 2 after five others
    message = r"'norm', puts out \(1, 9, 16\).*pass layer='norm'.*reshape="
    with pytest.raises(NoTargetLayerError, match=message) as error:
        gradcam(net, x, 1)
    assert METHODS["gradcam"].why_not(net, x) == str(error.value)
    found = gradcam(net, x, 1, layer="norm", reshape=lambda t: t.transpose(1, 2).unflatten(2, (3, 3)), upsample=False)
    assert found.shape == (3, 1, 3, 3)
    with pytest.raises(LayerError, match=r"'norm' has the shape \(3, 9, 16\), and no axes"):
        gradcam(net, x, 1, layer="norm")


def test_proportions_of_the_inputs():
    net, x = Unfolded(4, 1), images(height=16, width=24)
    assert gradcam(net, x, 1, relu=False, upsample=False).shape == (3, 1, 4, 6)
    assert gradcam(net, x, 1, layer="norm", relu=False, upsample=False).shape == (3, 1, 4, 6)


# ----------------------------------------------------------------------------------------------------------- series


def event(at=70, channels=1, length=100):
    x = torch.zeros(2, channels, length)
    x[..., at : at + 5] = 5
    return x


class Mixed(nn.Module):
    """Linear layers on (N, T, features)."""

    def __init__(self, d=32):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.mix, self.head = nn.Linear(1, d), nn.Linear(d, d), nn.Linear(d, 2)

    def forward(self, x):
        return self.head(self.mix(torch.relu(self.embed(x.transpose(1, 2)))).mean(1))


class Recurrent(nn.Module):
    def __init__(self, last, batch_first=True):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.cell = nn.Conv1d(1, 16, 5, padding=2), nn.LSTM(16, 24, batch_first=batch_first)
        self.norm, self.head = nn.LayerNorm(24), nn.Linear(24, 3)
        self.last, self.batch_first = last, batch_first

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = self.norm(self.cell(x.transpose(1, 2) if self.batch_first else x.permute(2, 0, 1))[0])
        x = x if self.batch_first else x.transpose(0, 1)
        return self.head(x[:, -1] if self.last else x.mean(1))


class Encoder(nn.Module):
    def __init__(self, class_token, batch_first=True, features=1):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Linear(features, 32), nn.Linear(32, 3)
        self.token = nn.Parameter(torch.randn(1, 1, 32)) if class_token else None
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first)
        self.encoder, self.batch_first = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), batch_first

    def forward(self, x):
        x = self.embed(x.transpose(1, 2) if self.embed.in_features == 1 else x)
        x = x if self.token is None else torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        x = self.encoder(x) if self.batch_first else self.encoder(x.transpose(0, 1)).transpose(0, 1)
        return self.head(x.mean(1) if self.token is None else x[:, 0])


def test_the_event_of_a_series_is_where_it_is():
    net, x = Mixed(), event()
    found = gradcam(net, x, 0, relu=False, upsample=False)
    assert found.shape == (2, 1, 100)
    at = (found - found.median()).abs()
    assert at[..., 70:75].min() > 0 and at[..., :70].max() < 1e-6 and at[..., 75:].max() < 1e-6


SERIES = {
    "linear": Mixed,
    "recurrent": lambda: Recurrent(last=False),
    "recurrent, the last step": lambda: Recurrent(last=True),
    "recurrent, time first": lambda: Recurrent(last=False, batch_first=False),
    "transformer": lambda: Encoder(class_token=False),
    "transformer, class token": lambda: Encoder(class_token=True),
    "transformer, time first": lambda: Encoder(class_token=True, batch_first=False),
}
# A layer behind which the default looks, and what makes (N, features, time) of it.
LOOKED_AT = {
    "recurrent": ("norm", lambda t: t.transpose(1, 2)),
    "recurrent, the last step": ("conv", None),
    "recurrent, time first": ("norm", lambda t: t.permute(1, 2, 0)),
    "transformer": ("encoder.layers.1.norm2", lambda t: t.transpose(1, 2)),
    "transformer, class token": ("encoder.layers.0.norm2", lambda t: t[:, 1:].transpose(1, 2)),
    "transformer, time first": ("encoder.layers.0.norm2", lambda t: t[1:].permute(1, 2, 0)),
}


@pytest.mark.parametrize("kind", SERIES)
def test_the_features_of_a_series_are_not_taken_for_its_times(kind):
    net, x = SERIES[kind]().eval(), event() + 0.1 * images(n=2, channels=1, height=1, width=100)[:, 0]
    found = gradcam(net, x, 1, relu=False, upsample=False)
    assert found.shape == (2, 1, 100)
    layer, reshape = LOOKED_AT.get(kind, (None, None))
    if reshape is not None:
        expected = gradcam(net, x, 1, layer=layer, reshape=reshape, relu=False)
        torch.testing.assert_close(found, expected)
        if "time first" not in kind and "token" not in kind:  # named, the functions tell the same
            torch.testing.assert_close(gradcam(net, x, 1, layer=layer, relu=False), expected)


class OverTime(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.head = nn.Linear(100, 100), nn.Linear(200, 3)

    def forward(self, x):
        return self.head(torch.relu(self.mix(x)).flatten(1))


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (Encoder(class_token=False, features=40), torch.rand(2, 60, 40)),  # (N, T, F): the axes change places
        (OverTime(), event(channels=2)),  # mixes the times
    ],
)
def test_a_series_whose_times_are_not_to_be_told(net, x):
    with pytest.raises(NoTargetLayerError, match="reshape="):
        gradcam(net.eval(), x, 1)


def test_a_named_layer_of_a_series_with_the_features_last():
    net, x = Mixed(), event()
    expected = gradcam(net, x, 1, layer="mix", reshape=lambda t: t.transpose(1, 2), relu=False)
    torch.testing.assert_close(gradcam(net, x, 1, layer="mix", relu=False), expected)


# ------------------------------------------------------------------------------- grids that keep an axis, or lose one


@pytest.mark.parametrize(
    ("conv", "x", "grid"),
    [
        (nn.Conv3d(3, 8, 3, stride=(1, 4, 4), padding=1), torch.rand(2, 3, 16, 16, 16), (16, 4, 4)),
        (nn.Conv2d(1, 8, (64, 4), stride=(1, 4)), torch.rand(2, 1, 64, 400), (1, 100)),
    ],
)
def test_axes_that_keep_their_length_or_end(conv, x, grid):
    net = nn.Sequential(conv, nn.ReLU(), nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3))
    found = gradcam(net, x, 1, relu=False, upsample=False)
    assert found.shape == (2, 1, *grid)
    assert gradcam(net, x, 1).shape == (2, 1, *x.shape[2:])
    torch.testing.assert_close(found, gradcam(net, x, 1, layer="1", relu=False, upsample=False))


def test_eeg_in_the_shape_of_an_image():
    """(N, C, T) made (N, 1, C, T), and the channels merged by a convolution."""

    class Eeg(nn.Module):
        def __init__(self):
            super().__init__()
            self.time, self.space = nn.Conv2d(1, 4, (1, 9)), nn.Conv2d(4, 6, (2, 1))
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            return self.head(F.elu(self.space(self.time(x[:, None]))).mean((2, 3)))

    assert gradcam(Eeg(), event(channels=2), 1, relu=False, upsample=False).shape == (2, 1, 92)


# ------------------------------------------------------------------------------------------------------- zero maps


def test_features_that_are_zero_say_so():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    net[0].bias.data.fill_(-100)
    with pytest.warns(SalkitWarning, match="3 of 3 .* For 3, the features or their weights are zero") as caught:
        assert gradcam(net, images(), 1, relu=False).eq(0).all()
    assert len(caught) == 1


# ------------------------------------------------------------------------------------------------- what it may cost


class Counted(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.rows = net, []

    def forward(self, x):
        self.rows.append(len(x))
        return self.net(x)


def test_passes_to_find_the_place():
    x = images(n=4, height=64, width=64)
    net = Counted(Rest().eval())
    gradcam(net, x, 1)
    assert net.rows == [1, 4]
    net = Counted(vision_transformer())
    gradcam(net, x, 1)
    assert net.rows == [1, 1, 7, 4]  # the halves of two axes, and two corners, as a class token comes first
    net = Counted(Mixed())
    gradcam(net, event(), 1)
    assert net.rows == [1, 1, 3, 2]
    net = Counted(vision_transformer())
    gradcam(net, x, 1, layer="net.encoder.layers.encoder_layer_2.ln_1")
    assert net.rows == [4, 1, 7]


class Caches(nn.Module):
    """Takes more steps in its first pass than in the second."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.table = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), None

    def forward(self, x):
        if self.table is None:
            self.table = torch.linspace(0, 1, 4).view(1, 4, 1, 1) * 2
        return self.head(F.relu(self.conv(x) + self.table).mean((2, 3)))


def test_a_model_that_fills_a_cache_in_its_first_pass():
    fresh, warm, x = Caches(), Caches(), images()
    warm(x)
    torch.testing.assert_close(gradcam(fresh, x, 1, relu=False), gradcam(warm, x, 1, relu=False))
    torch.testing.assert_close(cam(Caches(), x, 1), cam(warm, x, 1))


@pytest.mark.parametrize("name", ["gradcam", "cam"])
def test_what_hides_its_functions_or_takes_no_single_sample(name):
    net, x, method = Rest().eval(), images(), METHODS[name]
    with pytest.warns(Warning):
        scripted = torch.jit.script(net)
    with pytest.raises(NoTargetLayerError, match="TorchScript"):
        method(scripted, x, 1)
    if name == "gradcam":
        with pytest.raises(LayerError, match="TorchScript"):
            method(scripted, x, 1, layer="top")
    with pytest.raises(InputError, match="exported for inputs of another size"):
        method(torch.export.export(net, (x,)).module(), x, 1)
    exported = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    torch.testing.assert_close(method(exported, x, 1), method(net, x, 1))


# ---------------------------------------------------------------------------------------- positions of something else


def positive(net):
    """All weights positive, so that what is bright speaks for the class."""
    for parameter in net.parameters():
        parameter.data.abs_()
    return net.eval()


class Before(nn.Module):
    """A small network on inputs that were turned before."""

    def __init__(self, turn, both=False):
        super().__init__()
        torch.manual_seed(0)
        self.turn, self.both = turn, both
        self.net = nn.Sequential(
            nn.LazyConv2d(4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )

    def forward(self, x):
        turned = self.net(self.turn(x))
        return (self.net(x) + turned) / 2 if self.both else turned


def blob():
    x = torch.zeros(1, 3, 32, 48)
    x[:, :, 4:8, 36:44] = 1
    return x


@pytest.mark.parametrize(
    "turn",
    [lambda x: x.flip(3), lambda x: x.transpose(2, 3), lambda x: x.rot90(1, (2, 3)), lambda x: x.roll(24, 3)],
    ids=["flip", "transpose", "rot90", "roll"],
)
@pytest.mark.parametrize("name", ["gradcam", "cam"])
def test_a_model_that_turns_its_inputs_is_refused(turn, name):
    net = Before(turn)
    net(blob())
    with pytest.raises(NoTargetLayerError):
        METHODS[name](positive(net), blob(), 1)


def test_a_model_that_looks_at_the_picture_and_its_mirror_is_explained_by_the_picture():
    net = Before(lambda x: x.flip(3), both=True)
    net(blob())
    found = gradcam(positive(net), blob(), 1)[0, 0]
    row, column = divmod(int(found.argmax()), 48)
    assert 3 <= row <= 8 and 35 <= column <= 44


@pytest.mark.parametrize("name", ["gradcam", "hirescam", "cam"])
def test_channels_last_in_the_inputs_are_no_places(name):
    net = Before(lambda x: x.permute(0, 3, 1, 2))
    x = blob().permute(0, 2, 3, 1)
    net(x)
    with pytest.raises(NoTargetLayerError):
        METHODS[name](positive(net), x, 1)


class Pooled(nn.Module):
    """Columns of a picture read as a series, as in reading lines of text."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.rnn, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.GRU(6, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        columns = F.adaptive_avg_pool2d(self.conv(x).relu(), (1, None)).squeeze(2)
        return self.head(self.rnn(columns.transpose(1, 2))[0].mean(1))


@pytest.mark.parametrize("size", [(16, 40), (36, 36), (24, 48)])
def test_times_of_a_recurrent_network_are_no_grid(size):
    x = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    found = gradcam(Pooled().eval(), x, 1, relu=False, upsample=False)
    assert found.shape == (2, 1, *size)  # the last place with the picture's axes: the convolution's


class Patches(nn.Module):
    """Tokens of a convolution's patches, row by row or column by column, before or behind extra ones."""

    def __init__(self, patch=(8, 8), behind=0, columns=False):
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, 16, patch, stride=patch)
        self.extra, self.columns = nn.Parameter(torch.randn(1, behind, 16)), columns
        self.norm, self.mlp, self.head = nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x):
        grid = self.patch(x)
        tokens = (grid.transpose(2, 3) if self.columns else grid).flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens, self.extra.expand(len(x), -1, -1)], 1)
        tokens = tokens + self.mlp(self.norm(tokens)).relu()
        return self.head(tokens.mean(1))


@pytest.mark.parametrize("options", [dict(behind=1), dict(behind=4), dict(columns=True)], ids=str)
def test_tokens_behind_the_patches_or_column_by_column_are_not_taken_for_rows(options):
    net, x = Patches(**options).eval(), images(height=32, width=48)
    found = gradcam(net, x, 1, relu=False, upsample=False)
    torch.testing.assert_close(found, gradcam(net, x, 1, layer="patch", relu=False, upsample=False))
    with pytest.raises(LayerError, match="reshape="):
        gradcam(net, x, 1, layer="norm")


def test_a_named_layer_of_tokens_has_the_grid_of_the_convolution_that_made_them():
    net, x = Patches((4, 16)).eval(), images(height=32, width=48)
    rows = gradcam(net, x, 1, layer="norm", reshape=lambda t: t.transpose(1, 2).unflatten(2, (8, 3)), relu=False)
    torch.testing.assert_close(gradcam(net, x, 1, layer="norm", relu=False), rows)


def test_channels_last_whose_sizes_look_like_a_grid():
    net = nn.Sequential(nn.Conv2d(3, 24, 4, stride=4), Permuted(), nn.LayerNorm(24), Averaged(), nn.Linear(24, 3))
    x = images(height=56, width=56)
    expected = gradcam(net.eval(), x, 1, layer="2", reshape=lambda t: t.permute(0, 3, 1, 2), relu=False, upsample=False)
    assert expected.shape == (3, 1, 14, 14)
    torch.testing.assert_close(gradcam(net, x, 1, layer="2", relu=False, upsample=False), expected)


class Permuted(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class Averaged(nn.Module):
    def forward(self, x):
        return x.mean((1, 2))


def test_as_many_samples_as_times():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.layer, self.head = nn.Linear(3, 8), layer, nn.Linear(8, 4)

        def forward(self, x):
            return self.head(self.layer(self.embed(x.permute(2, 0, 1))).mean(0))

    net, x = Sequence().eval(), torch.rand(8, 3, 8, generator=torch.Generator().manual_seed(0))
    one_by_one = gradcam(net, x, 1, layer="embed", relu=False, batch_size=1)
    torch.testing.assert_close(gradcam(net, x, 1, layer="embed", relu=False), one_by_one)


class LastStep(nn.Module):
    """Convolutions over time, of which the head reads the last step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.head = nn.Conv1d(2, 8, 5), nn.Conv1d(8, 8, 5), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.two(self.one(x).relu()).relu()[..., -1])


def test_a_score_that_is_read_off_one_place_is_followed_back():
    net, x = LastStep().eval(), torch.rand(2, 2, 20, generator=torch.Generator().manual_seed(0))
    found = gradcam(net, x, 1, relu=False, upsample=False)
    assert found.shape == (2, 1, 16)  # the first convolution's: of the second's one time matters


def test_cam_sees_that_a_head_of_small_features_takes_the_largest():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    with torch.no_grad():
        net[0].weight.mul_(1e-5), net[0].bias.mul_(1e-5), net[3].weight.mul_(1e5)
    with pytest.raises(NoTargetLayerError, match="global average pool"):
        METHODS["cam"](net, images(), 1)
