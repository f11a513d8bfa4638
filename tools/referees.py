"""Write book/referees.md: how far the methods are from captum, network by network, and what does not apply where.

Run as ``python -m tools.referees``, after a change of a method or of the shipped networks. Takes a few minutes.

Everything is computed in 64 bits, so that a difference is one of method and not of rounding, and is written as an
order of magnitude, so that the page is the same on every machine.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from salkit import METHODS
from salkit._cache import write_file
from salkit.attribution.registry import A_RELU
from salkit.models import trained, trained_names
from tools import completeness

PAGE = Path(__file__).resolve().parents[1] / "book" / "referees.md"
TARGET = torch.tensor([3, 7])
BASELINE = 0.25  # exact in 32 bits
N_STEPS = 4
N_SAMPLES = 3
NO_REFEREE = ("deeplift", "rise", *(name for name, method in METHODS.items() if method.control))
RECTIFIER_RULES = tuple(name for name, method in METHODS.items() if A_RELU in method.needs)
FORMULAS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of features and their gradient, before the sum
    "layercam": lambda a, g: g.relu() * a,
    "gradcam_plus_plus": lambda a, g: (
        (g**2 / (2 * g**2 + g**3 * a.sum((2, 3), keepdim=True)) * g.relu()).nansum((2, 3), keepdim=True) * a
    ),
}
BY_DEFINITION, BY_REWRITING = "ᵈ", "ᵐ"

# The smallest network of every family of torchvision's classifiers.
CLASSIFIERS = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32",
)  # fmt: skip
# Where 64 pixels and no options won't do: how to build it, and a size that leaves its last grid more than one place.
_SETTINGS: dict[str, tuple[dict, int]] = {
    "alexnet": ({}, 96),
    "googlenet": ({"init_weights": False, "aux_logits": False}, 64),  # the initialisation takes seconds
    "inception_v3": ({"init_weights": False, "aux_logits": False}, 140),
    "maxvit_t": ({}, 224),
    "vit_h_14": ({"image_size": 56}, 56),
    "vit": ({"image_size": 64}, 64),
}


def classifier(name: str, num_classes: int = 10) -> tuple[nn.Module, int]:
    """A classifier of torchvision with random weights, always the same, and the size of images to give it."""
    from torchvision import models

    options, size = next((settings for start, settings in _SETTINGS.items() if name.startswith(start)), ({}, 64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return models.get_model(name, weights=None, num_classes=num_classes, **options), size


def images(n: int, size: int) -> Tensor:
    """``(n, 3, size, size)`` noise in [0, 1], always the same."""
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


# ------------------------------------------------------------------------------------------------ network kinds


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes:
        build: the network.
        layer: where Grad-CAM looks; ``None`` for a network without a grid.
        pooled: the layer that is pooled, for CAM: in ``rewritten`` where there is one.
        size: side of the images.
        rewritten: from the network, the same one with a module for each rectifier, used once, as captum needs it.
        off: the methods for which captum needs that, or the rule itself, to compute what the definition says.
    """

    build: Callable[[], nn.Module]
    layer: str | None
    pooled: str | None = None
    size: int = 32
    rewritten: Callable[[nn.Module], nn.Module] | None = None
    off: tuple[str, ...] = ()


class SmallNet(nn.Module):
    """Three convolutions and a pooled head; ``act`` makes the rectifiers."""

    def __init__(self, act: Callable[[], Callable[[Tensor], Tensor]], skip: bool = False):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv1, self.conv2, self.conv3 = (nn.Conv2d(c, 6, 3, padding=1) for c in (3, 6, 6))
            self.norm = nn.BatchNorm2d(6)
            self.norm.running_mean.uniform_(-0.3, 0.3)
            self.head = nn.Linear(6, 10)
        acts = [act() for _ in range(3)]
        self.modules_of_acts = nn.ModuleList(a for a in acts if isinstance(a, nn.Module))
        self.acts = acts
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.modules_of_acts or self.acts
        x = self.norm(self.conv1(x))
        if self.skip:
            x = x + self.conv2(first(x))  # the rectifier's input also feeds the skip connection
        else:
            x = self.conv2(first(x))
        return self.head(third(self.conv3(second(x))).mean((2, 3)))


def _with_modules(net: SmallNet) -> SmallNet:
    return SmallNet(nn.ReLU, net.skip)


def _one_relu() -> Callable[[], nn.Module]:
    relu = nn.ReLU()
    return lambda: relu


class _Block(nn.Module):
    """torchvision's BasicBlock, which uses one ReLU twice, with two."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.inner = nn.Sequential(block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2)
        self.skip = block.downsample or nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.inner(x) + self.skip(x))


def _resnet_rewritten(model: nn.Module) -> nn.Module:
    """A ResNet of basic blocks, also behind a first layer that normalises."""
    if hasattr(model, "normalize"):
        rest = _resnet_rewritten(model.net)
        return nn.Sequential(model.normalize, *rest)
    stages = [_Block(block) for stage in (model.layer1, model.layer2, model.layer3, model.layer4) for block in stage]
    stem = [model.conv1, model.bn1, nn.ReLU(), model.maxpool]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.fc)


def _densenet_rewritten(model: nn.Module) -> nn.Module:
    """DenseNet's last rectifier is a function call."""
    return nn.Sequential(model.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.classifier)


SMALL = {
    "module": Kind(lambda: SmallNet(nn.ReLU), "conv2", "modules_of_acts.2"),
    "functional": Kind(
        lambda: SmallNet(lambda: lambda x: F.relu(x)),  # looked up at each call, as in a network's own code
        "conv2",
        "modules_of_acts.2",
        rewritten=_with_modules,
        off=(*RECTIFIER_RULES, "cam"),
    ),
    "in-place": Kind(lambda: SmallNet(lambda: nn.ReLU(inplace=True)), "modules_of_acts.1", "modules_of_acts.2"),
    "reused": Kind(
        lambda: SmallNet(_one_relu()), "conv2", "modules_of_acts.2", rewritten=_with_modules, off=("cam",)
    ),
    "pre-activation": Kind(
        lambda: SmallNet(nn.ReLU, skip=True), "conv2", "modules_of_acts.2", off=RECTIFIER_RULES
    ),
}
TORCHVISION = {
    "ResNet-18": Kind(
        lambda: classifier("resnet18")[0], "layer2", "11", 64, rewritten=_resnet_rewritten, off=("cam",)
    ),
    "VGG-11": Kind(lambda: classifier("vgg11")[0], "features.10", size=64),
    "MobileNetV3-small": Kind(lambda: classifier("mobilenet_v3_small")[0], "features.3", size=64),
    "DenseNet-121": Kind(
        lambda: classifier("densenet121")[0],
        "features.denseblock2",
        "1",
        64,
        rewritten=_densenet_rewritten,
        off=(*RECTIFIER_RULES, "cam"),
    ),
}
SHIPPED = {
    "fc": Kind(lambda: trained("fc"), None),
    "shallow_cnn": Kind(lambda: trained("shallow_cnn"), "net.features.2"),
    "resnet18": Kind(
        lambda: trained("resnet18"), "net.layer2", "12", rewritten=_resnet_rewritten, off=("cam",)
    ),
    "efficientnet_b0": Kind(lambda: trained("efficientnet_b0"), "net.features.4", "net.features"),
}
SHIPPED = {name: kind for name, kind in SHIPPED.items() if name in trained_names()}


# ------------------------------------------------------------------------------------------------- the referees


class Rule(torch.autograd.Function):
    """The definition: what passes back through a rectifier."""

    @staticmethod
    def forward(ctx, x: Tensor, needs_positive_input: bool) -> Tensor:
        ctx.passes = x > 0 if needs_positive_input else torch.ones_like(x, dtype=torch.bool)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g: Tensor):
        return g * (g > 0) * ctx.passes, None


def by_definition(net: nn.Module, x: Tensor, *, needs_positive_input: bool) -> Tensor:
    """The gradient with the rule in place of every ``F.relu``, which is also what ``nn.ReLU`` calls."""
    leaf = x.clone().requires_grad_()
    with mock.patch.object(F, "relu", lambda x, inplace=False: Rule.apply(x, needs_positive_input)):
        scores = net(leaf).gather(1, TARGET[:, None])
    return torch.autograd.grad(scores.sum(), leaf)[0]


def by_formula(method: str, net: nn.Module, x: Tensor, layer: str) -> Tensor:
    """A map of a layer, from its output and the gradient by it."""
    outputs: list[Tensor] = []

    def start_anew(_module, _inputs, output):
        outputs.append(output.detach().requires_grad_())
        return outputs[0].clone()

    handle = net.get_submodule(layer).register_forward_hook(start_anew)
    scores = net(x).gather(1, TARGET[:, None])
    handle.remove()
    (slope,) = torch.autograd.grad(scores.sum(), outputs)
    return FORMULAS[method](outputs[0].detach(), slope).sum(1, keepdim=True)


def by_captum(method: str, net: nn.Module, x: Tensor, layer: str | None) -> Tensor:
    """The map that captum draws, with the options of ``by_salkit``; ``layer`` only for the CAM family."""
    from captum import attr

    inner = net.get_submodule(layer) if METHODS[method].finds_layer or method == "cam" else None
    if method == "gradient":
        return attr.Saliency(net).attribute(x, TARGET, abs=False)
    if method == "input_x_gradient":
        return attr.InputXGradient(net).attribute(x, TARGET)
    if method == "smoothgrad":
        # The mean of captum's gradients over the same noisy copies: its own noise depends on the size of the chunks.
        generator = torch.Generator().manual_seed(0)
        scale = 0.15 * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
        noisy = [x + scale * torch.randn(x.shape[1:], generator=generator).to(x) for _ in range(N_SAMPLES)]
        return torch.stack([attr.Saliency(net).attribute(copy, TARGET, abs=False) for copy in noisy]).mean(0)
    if method == "integrated_gradients":
        return attr.IntegratedGradients(net).attribute(x, BASELINE, TARGET, n_steps=N_STEPS)
    if method == "deconvnet":
        return attr.Deconvolution(net).attribute(x, TARGET)
    if method == "guided_backprop":
        return attr.GuidedBackprop(net).attribute(x, TARGET)
    if method == "gradcam":
        return attr.LayerGradCam(net, inner).attribute(x, TARGET)
    if method == "hirescam":
        return attr.LayerGradientXActivation(net, inner).attribute(x, TARGET).sum(1, keepdim=True)
    if method == "guided_gradcam":
        return attr.GuidedGradCam(net, inner).attribute(x, TARGET, interpolate_mode="bilinear")
    if method == "cam":
        # Captum has none. With a pooled head it is Grad-CAM times the number of places.
        coarse = attr.LayerGradCam(net, inner).attribute(x, TARGET)
        return coarse * coarse[0, 0].numel()
    window, stride = _windows(x)
    return attr.Occlusion(net).attribute(
        x, (3, window, window), (3, stride, stride), 0.5, TARGET, perturbations_per_eval=9
    )


def by_salkit(method: str, net: nn.Module, x: Tensor, layer: str | None) -> Tensor:
    """The same map by salkit, before Grad-CAM's ReLU and enlargement."""
    window, stride = _windows(x)
    if METHODS[method].finds_layer and METHODS[method].one_channel:
        return METHODS[method](net, x, TARGET, layer=layer, relu=False, upsample=False)
    options = {
        "smoothgrad": {"n_samples": N_SAMPLES},
        "integrated_gradients": {"baseline": BASELINE, "n_steps": N_STEPS},
        "guided_gradcam": {"layer": layer},
        "cam": {"upsample": False},
        "occlusion": {"window": window, "stride": stride},
    }
    return METHODS[method](net, x, TARGET, **options.get(method, {}))


def _windows(x: Tensor) -> tuple[int, int]:
    """A window and a stride that overlap and do not divide the side."""
    return 12 * x.shape[-1] // 32, 10 * x.shape[-1] // 32


def referee(method: str, kind: Kind, net: nn.Module, x: Tensor) -> Tensor:
    """What the map should be: by captum where it is at home, else as the definition says."""
    if method in FORMULAS:
        return by_formula(method, net, x, kind.layer)
    if method in kind.off and method in RECTIFIER_RULES:
        fine = by_definition(net, x, needs_positive_input=method != "deconvnet")
        if method != "guided_gradcam":
            return fine
        coarse = by_captum("gradcam", net, x, kind.layer).clamp(min=0)
        return fine * F.interpolate(coarse, x.shape[2:], mode="bilinear", align_corners=False)
    if method in kind.off:
        net = kind.rewritten(net).to(x).eval()
    return by_captum(method, net, x, kind.pooled if method == "cam" else kind.layer)


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value of the expected map.

    Raises:
        ValueError: there is nothing to compare, as the expected map is zero or of another shape.
    """
    if found.shape != expected.shape or not expected.abs().max() > 0:
        raise ValueError(f"nothing to compare: {tuple(found.shape)}, {tuple(expected.shape)}, or a map of zeros")
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def rounded(difference: float) -> str:
    """An order of magnitude where the difference is one of rounding, else one digit."""
    for limit, text in ((1e-9, "< 1e-9"), (1e-6, "< 1e-6"), (1e-3, "< 1e-3"), (0.05, "< 0.05")):
        if difference < limit:
            return text
    return f"{difference:.1f}"


def column(kind: Kind) -> dict[str, tuple[str, str]]:
    """``{method: (salkit's distance from the referee, captum's where it is off)}`` for one kind of network.

    A dash: the method does not apply. The second is empty where captum is the referee, or has no such method.
    """
    net = kind.build().double().eval()
    x = images(2, kind.size).double()
    cells = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in (name for name in METHODS if name not in NO_REFEREE):
            if METHODS[method].why_not(net, x):
                cells[method] = ("–", "")
                continue
            expected = referee(method, kind, net, x)
            cell, theirs = rounded(distance(by_salkit(method, net, x, kind.layer), expected)), ""
            if method in FORMULAS:
                cell += BY_DEFINITION
            if method in kind.off:
                cell += BY_DEFINITION if method in RECTIFIER_RULES else BY_REWRITING
                if method != "cam":
                    theirs = _of_captum_itself(method, kind, net, x, expected)
            cells[method] = (cell, theirs)
    return cells


def _of_captum_itself(method: str, kind: Kind, net: nn.Module, x: Tensor, expected: Tensor) -> str:
    """How far captum is off on the network as it stands."""
    try:
        return rounded(distance(by_captum(method, net, x, kind.layer), expected))
    except (AssertionError, RuntimeError):
        return "refuses"


# ----------------------------------------------------------------------------------------------------- the page


def what_does_not_apply() -> str:
    """For each method and reason, the classifiers to which it does not apply; and those to which all do."""
    gaps, whole = defaultdict(list), []
    for name in CLASSIFIERS:
        net, size = classifier(name)
        x = images(1, size)
        reasons = defaultdict(list)
        for method in METHODS:
            if reason := METHODS[method].why_not(net, x):
                reasons[reason].append(method)
        for reason, methods in reasons.items():
            gaps[tuple(methods), reason].append(name)
        if not reasons:
            whole.append(name)
    lines = [f"- {_code(methods)} on {_code(names)}: {reason}." for (methods, reason), names in gaps.items()]
    return "\n".join([*sorted(lines), f"- All methods apply to {_code(whole)}."])


def _code(names) -> str:
    return ", ".join(f"`{name}`" for name in names)


def table(columns: dict[str, dict[str, tuple[str, str]]]) -> str:
    """Methods down, networks across."""
    methods = [name for name in METHODS if name not in NO_REFEREE]
    head = ["method", *columns]
    rows = [[f"`{method}`", *(columns[name][method][0] for name in columns)] for method in methods]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def where_captum_is_off(columns: dict[str, dict[str, tuple[str, str]]]) -> str:
    rows = [
        f"| {name} | `{method}` | {theirs} |"
        for name, cells in columns.items()
        for method, (_, theirs) in cells.items()
        if theirs
    ]
    return "\n".join(["| network | method | captum's difference |", "|---|---|---|", *rows])


TEMPLATE = """\
<!-- Written by python -m tools.referees: edit that, not this. -->
# Referees

Is each method what its definition says? [captum](https://captum.ai) is a widely used implementation of most of them,
so we compare: the same network, the same images, the same options, and the largest difference anywhere in a map,
relative to the largest value of that map.

All of it is computed in 64 bits. A difference below `1e-9` is rounding. In integrated gradients and in
occlusion captum takes one step in 32 bits, which leaves some `1e-8`.

| sign | meaning |
|---|---|
| no sign | captum, on the network as it is |
| {by_rewriting} | captum, on the same network rewritten so that each rectifier is a module, used once |
| {by_definition} | the definition itself: an autograd function with the rule in place of every rectifier, or the formula of the map; captum is wrong here, see below, or has no such method |
| – | the method does not apply to the network |

## Small networks, by the way their rectifiers are called

{small}

**module**: each rectifier is an `nn.ReLU`. **functional**: `F.relu`. **in-place**: `nn.ReLU(inplace=True)`. **reused**: one
`nn.ReLU`, called three times. **pre-activation**: what goes into a rectifier also goes along a skip connection.

## torchvision's, with random weights

{torchvision}

## The course's own, trained

{shipped}

## Where captum itself is off

Captum hooks modules. It does not see a rectifier that is a function; and where the input of a rectifier also feeds a
skip connection, its rule for guided backprop and deconvnet is applied to the sum of both paths instead of to one.
The same measure, of captum against the definition:

{off}

"refuses": captum stops with an error, which is better than a wrong map.

## How it is compared

- `smoothgrad`: against the mean of captum's gradients over the same noisy copies. Captum's own noise depends on how many copies go into one pass.
- `cam`: captum has none. With a pooled head it equals captum's Grad-CAM of the pooled layer, times the number of places.
- `gradcam`, `gradcam_plus_plus`, `hirescam`, `layercam`: before their ReLU and their enlargement; the tests hold them against pytorch-grad-cam as well. `guided_gradcam`: with captum's enlargement set to bilinear.
- `deeplift`: not against captum, whose rule is wrong where the input of a rectifier also goes elsewhere (a ReLU6 network, a skip connection), loses a part of the sum at max pools, and is the plain gradient for a GELU or a SiLU. The referee is completeness, to `1e-9`, for each activation, pool and product in turn, and networks worked out by hand. Captum is asked only where it is complete itself.
- `rise`, `edge_map`, `random_map`: captum has none. The tests hold `rise` against its formula, with the masks read off the images that the network gets.

## What does not apply where

The smallest network of each family of torchvision's classifiers, with small images:

<!-- list: begin -->
{gaps}
<!-- list: end -->

The words after the colon are those of `METHODS[name].why_not(model, images)`.
"""  # noqa: E501


def page() -> str:
    groups = []
    for kinds in (SMALL, TORCHVISION, SHIPPED):
        groups.append({})
        for name, kind in kinds.items():
            print(f"{name} ...", flush=True)
            groups[-1][name] = column(kind)
    print("what does not apply where ...", flush=True)
    small, torchvision, shipped = groups
    return TEMPLATE.format(
        by_definition=BY_DEFINITION,
        by_rewriting=BY_REWRITING,
        small=table(small),
        torchvision=table(torchvision),
        shipped=table(shipped),
        off=where_captum_is_off(small | torchvision | {f"{name}, trained": cells for name, cells in shipped.items()}),
        gaps=what_does_not_apply(),
    ) + completeness.section()


def main() -> int:
    write_file(PAGE, page())
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
