"""The table "completeness, in per cent" of book/referees.md: what is missing from the sum of a map, network by network.

Integrated gradients and DeepLift promise that a map adds up to the change of the score from the baseline, which needs
no second implementation to compare with. The networks are alive: biases and heads drawn, statistics from a pass in
training mode. The baseline is not zero, as an untrained network is linear on the way from zero.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import salkit
from salkit.errors import SalkitError, SalkitWarning
from tests.attribution.odd_models import Around, Recurrent, live

BASELINE = 0.3
TARGET = 1
STEPS = 64
PRETRAINED = ("mobilenet_v2", "squeezenet1_0", "efficientnet_lite0")


class Between(nn.Module):
    """A function between two convolutions, the first with a batch normalisation."""

    def __init__(self, function: Callable[[Tensor], Tensor], channels: int = 6):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.function, self.conv2, self.head = function, nn.Conv2d(channels, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.function(self.norm(self.conv1(x)))
        return self.head(torch.relu(self.conv2(h)).mean((2, 3)))


class PreActivation(nn.Module):
    """Two blocks whose skip connection branches off before the rectifier."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (nn.Conv2d(c, 6, 3, padding=1) for c in (3, 6, 6))
        self.norms, self.head = nn.ModuleList(nn.BatchNorm2d(6) for _ in range(2)), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, convolution in zip(self.norms, (self.one, self.two)):
            h = norm(x)
            x = h + convolution(F.relu(h))
        return self.head(F.relu(x).mean((2, 3)))


class Excited(nn.Module):
    """Squeeze and excitation: the channels are weighed by a function of their means."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)

    def forward(self, h: Tensor) -> Tensor:
        return h * torch.sigmoid(self.up(F.silu(self.down(h.mean((2, 3), keepdim=True)))))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, h: Tensor) -> Tensor:
        tokens = h.flatten(2).transpose(1, 2)
        return (tokens + self.attention(tokens, tokens, tokens)[0]).transpose(1, 2).view_as(h)


class Pooled(nn.Module):
    """A convolution along the given number of axes, then a max pool."""

    def __init__(self, axes: int, pool: nn.Module):
        super().__init__()
        self.axes, self.pool = axes, pool
        self.conv, self.head = getattr(nn, f"Conv{axes}d")(3, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = {1: x.flatten(2), 2: x, 3: x.unflatten(2, (2, -1))}[self.axes]
        return self.head(self.pool(torch.relu(self.conv(x))).flatten(2).mean(2))


class InRows(Recurrent):
    """The rows of a picture, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :2].mean(3))


def _in_place(h: Tensor) -> Tensor:
    h[:, ::2].relu_()
    return h.tanh()


def _global_maximum(h: Tensor) -> Tensor:
    return h + h.amax((2, 3), keepdim=True)


_ACTIVATIONS = (
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(6), nn.ELU(), nn.SELU(), nn.GELU(), nn.SiLU(), nn.Hardswish(),
    nn.Hardsigmoid(), nn.Mish(), nn.Softplus(), nn.Tanh(), nn.Sigmoid(), nn.Hardtanh(),
)  # fmt: skip
MODULES: dict[str, Callable[[], nn.Module]] = {
    **{type(module).__name__: lambda module=module: Between(module) for module in _ACTIVATIONS},
    "ReLU6, saturated": lambda: Between(lambda h: F.relu6(20 * h) / 20),
    "ReLU6 as the difference of two ReLUs": lambda: Between(lambda h: F.relu(20 * h) - F.relu(20 * h - 6)),
    "in place, on a view": lambda: Between(_in_place),
    "a skip that branches off before ReLU": lambda: Between(lambda h: h + torch.relu(h)),
    "pre-activation blocks": PreActivation,
    "GELU used twice": lambda: Between(lambda h: F.gelu(F.gelu(h) - 0.3)),
    "swish written out": lambda: Between(lambda h: h * torch.sigmoid(h)),
    "GLU": lambda: Between(nn.GLU(1), 3),
    "squeeze and excitation": lambda: Between(Excited()),
    "quotient": lambda: Between(lambda h: h / (1 + h * h)),
    "clamp": lambda: Between(lambda h: h.clamp(-0.5, 0.5)),
    "max pool": lambda: Pooled(2, nn.MaxPool2d(2)),
    "max pool, windows overlap": lambda: Pooled(2, nn.MaxPool2d(3, 1, padding=1)),
    "max pool, adaptive": lambda: Pooled(2, nn.AdaptiveMaxPool2d(3)),
    "max pool along one axis": lambda: Pooled(1, nn.MaxPool1d(3)),
    "max pool along three axes": lambda: Pooled(3, nn.MaxPool3d(2)),
    "weight norm": lambda: _normed(Between(nn.GELU())),
    "autograd function for the rectifier": lambda: Between(_Own.apply),
    "maximum by amax": lambda: Between(_global_maximum),
    "torch.where": lambda: Between(lambda h: torch.where(h > 0, h, h.exp() - 1)),
    "layer normalisation": lambda: Between(nn.GroupNorm(1, 6)),
    "local response normalisation": lambda: Between(nn.LocalResponseNorm(3, 1.0)),
    "attention": lambda: Between(Attending()),
    "ends in softmax": lambda: nn.Sequential(Between(nn.ReLU()), nn.Softmax(1)),
    "LSTM": lambda: InRows(nn.LSTM),
    "GRU": lambda: InRows(nn.GRU),
    "checkpointed": lambda: Around(Between(nn.GELU()), lambda net, x: checkpoint(net, x, use_reentrant=False)),
    "scripted": lambda: torch.jit.script(Between(nn.ReLU())),
}


class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h: Tensor) -> Tensor:
        ctx.save_for_backward(h > 0)
        return h.clamp(min=0)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0]


def _normed(net: Between) -> Between:
    nn.utils.parametrizations.weight_norm(net.conv2)
    return net


def _noise(n: int, size: int) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def cell(method: Callable[..., Tensor], net: nn.Module, x: Tensor, **options) -> str:
    """What is missing from the sums of the maps, in per cent of the changes of the score; and whether that was told."""
    with torch.no_grad():
        change = (net(x) - net(torch.full_like(x, BASELINE)))[:, TARGET]
    if not change.abs().sum() > 1e-9:
        raise ValueError("the score does not change, so there is nothing to add up to")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = method(net, x, TARGET, baseline=BASELINE, **options)
        except SalkitError as error:
            return f"refused: `{type(error).__name__}`"
    told = any(w.category is SalkitWarning and "completeness" in str(w.message) for w in caught)
    gap = ((found.flatten(1).sum(1) - change).abs().sum() / change.abs().sum()).item()
    if gap < 1e-8:
        return "< 1e-6"
    return f"{_rounded(100 * gap)}{', warns' if told else ''}"


def _rounded(value: float) -> str:
    """One digit, the same on every machine but for a rare tie."""
    return f"{round(value, -math.floor(math.log10(value))):g}"


def module(name: str) -> tuple[nn.Module, Tensor]:
    """One of the small networks, alive, and images for it."""
    return live(MODULES[name], _noise(8, 12)), _noise(3, 12)


def row(net: nn.Module, x: Tensor) -> tuple[str, str]:
    return cell(salkit.integrated_gradients, net, x, n_steps=STEPS), cell(salkit.deeplift, net, x)


def _classifiers() -> dict[str, Callable[[], tuple[nn.Module, Tensor]]]:
    from tools.referees import CLASSIFIERS, classifier

    def build(name: str) -> tuple[nn.Module, Tensor]:
        size = classifier(name)[1]
        return live(lambda: classifier(name)[0], _noise(4, size)), _noise(1, size)

    return {name: lambda name=name: build(name) for name in CLASSIFIERS}


def rows() -> dict[str, tuple[str, str]]:
    """``{network: (integrated gradients, DeepLift)}``.

    Raises:
        DataUnavailableError: the weights of a pretrained network are nowhere; a page with fewer rows isn't written.
    """
    found = {name: row(*module(name)) for name in MODULES}
    for name, build in _classifiers().items():
        print(f"completeness of {name} ...", flush=True)
        found[f"`{name}`"] = row(*build())
    for name in PRETRAINED:
        net = salkit.models.pretrained(name).double().eval()
        found[f"`{name}`, trained"] = row(net, _noise(1, 64))
    return found


TEMPLATE = """
## Completeness, in per cent

A map of integrated gradients or DeepLift adds up to the change of the score from the baseline. What is missing from
the sums of a few maps, in per cent of these changes; 64 bits, a baseline of {baseline}, {steps} steps for integrated
gradients, weights that are alive (biases and heads drawn, statistics from a pass in training mode).

| network | integrated gradients | DeepLift |
|---|---|---|
{rows}

**warns**: the call says how many per cent are missing, where integrated gradients miss more than 10 % or DeepLift more
than 1 % in any sample.
**refused**: the model hides its functions. What is missing from integrated gradients comes from the corners of the
rectifiers, and shrinks with more steps.
"""


def section() -> str:
    lines = (f"| {name} | {path} | {rescale} |" for name, (path, rescale) in rows().items())
    return TEMPLATE.format(baseline=BASELINE, steps=STEPS, rows="\n".join(lines))
