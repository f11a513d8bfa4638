"""Networks of the kinds that people bring: how they are built, and what becomes of every call on them.

``test_odd_models.py`` holds every cell of the table below against the package, and ``python -m tools.odd_models``
writes book/not-supported.md from it.
"""

from __future__ import annotations

import io
import threading
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint

from salkit import METHODS
from salkit.attribution.layers import LAYER_METHODS, NEURON_METHODS


def live(build: Callable[[], nn.Module], x: Tensor) -> nn.Module:
    """A network in 64 bits with nothing at rest: biases and heads drawn, statistics of ``x`` in batch norms."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net = build().double()
        for module in net.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.ndim < 2:
                    start = 1.0 if name == "weight" else 0.0  # the scale of a normalisation
                    parameter.copy_(start + 0.3 * torch.randn_like(parameter))
                elif not parameter.any():
                    parameter.normal_(std=0.3)
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
        net.train()(x)
    return net.eval()


# ------------------------------------------------------------------------------------------------ how they are built


def pictures(n: int = 2, channels: int = 3, dtype=torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, channels, 7, 6, generator=generator, dtype=torch.float64).to(dtype)


def series(n: int = 2) -> Tensor:
    return torch.rand(n, 2, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def table(n: int = 2) -> Tensor:
    return torch.rand(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Plain(nn.Module):
    """Two convolutions, a batch normalisation, rectifiers, a pooled head."""

    def __init__(self, channels: int = 3, classes: int = 3):
        super().__init__()
        self.conv1, self.norm, self.relu = nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2, self.last = nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(5, classes)

    def stem(self, x: Tensor) -> Tensor:
        return self.relu(self.norm(self.conv1(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.last(self.conv2(self.stem(x)))).flatten(1))


def plain(channels: int = 3, classes: int = 3) -> Plain:
    return live(lambda: Plain(channels, classes), pictures(8, channels))


def changed(change: Callable[[Plain], object]) -> Callable[[], nn.Module]:
    """The plain network after ``change(net)``, which may return another one."""

    def build() -> nn.Module:
        net = plain()
        other = change(net)
        return net if other is None else other

    return build


class Around(nn.Module):
    """A network whose forward is ``forward(net, x)``."""

    def __init__(self, net: nn.Module, forward: Callable):
        super().__init__()
        self.net, self.how = net, forward

    def forward(self, x: Tensor):
        return self.how(self.net, x)


def around(forward: Callable, **options) -> Callable[[], nn.Module]:
    return lambda: Around(plain(**options), forward)


def _no_grad(net, x):
    with torch.no_grad():
        return net(x)


def _inference(net, x):
    with torch.inference_mode():
        return net(x)


def _autocast(net, x):
    with torch.autocast("cpu", torch.bfloat16):
        return net(x)


def _detached(net, x):
    return net.head(net.pool(net.last(net.conv2(net.stem(x).detach()))).flatten(1))


def _numpy(net, x):
    return net(torch.from_numpy(x.detach().numpy()))


def _steps(net, x):
    return net(x * 2) if x.sum() > 1e6 else net(x)


def _noisy(net, x):
    return net(F.dropout(x, 0.2))


class WithMask(nn.Module):
    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.net(x) * mask


class Functional(Plain):
    """The same, with rectifiers by function, method, and in place on a view."""

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm(self.conv1(x)))
        h = self.conv2(h)
        h[:, :2].relu_()
        h = torch.cat([h[:, :2], h[:, 2:].relu()], 1)
        return self.head(h.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, cell: type[nn.RNNBase]):
        super().__init__()
        self.cell, self.head = cell(2, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x.transpose(1, 2))[0].mean(1))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(20, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.table(x.long()).mean(1))


class Segmentation(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.relu, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.relu(self.conv1(x)))


class Lonely(Plain):
    """Loses the batch axis where the batch is one sample."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


class Tied(nn.Module):
    """One layer, used three times."""

    def __init__(self):
        super().__init__()
        self.inner, self.relu, self.head = nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.relu(self.inner(x))
        return self.head(x)


class Shared(nn.Module):
    """Two layers, one weight."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.relu, self.head = nn.Linear(5, 5), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)
        self.other.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.other(self.relu(self.one(x)))))


class NoParameters(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x.mean((2, 3)) * 2)


class Same(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


@dataclass
class Output:
    logits: Tensor
    hidden: Tensor


def _scripted_function(net: Plain) -> None:
    relu = torch.jit.script(_relu)
    net.relu.forward = types.MethodType(lambda _, h: relu(h), net.relu)


def _relu(h: Tensor) -> Tensor:
    return torch.relu(h)


def _exported(net: nn.Module) -> nn.Module:
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    return torch.export.export(net, (pictures(3),), dynamic_shapes=(batch,)).module()


def _compiled(net: nn.Module) -> nn.Module:
    net = torch.compile(net, backend="eager")
    with torch.no_grad():
        net(pictures())
    return net


def _compiled_part(net: Plain) -> None:
    net.conv2 = torch.compile(net.conv2, backend="eager")


def _quantised(net: Plain) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(net.float(), {nn.Linear})


def _old_weight_norm(net: Plain) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(net.conv2)


def _old_spectral_norm(net: Plain) -> None:
    nn.utils.spectral_norm(net.conv2)
    net.conv2.eval()


def _hooked(net: Plain) -> None:
    net.conv1.register_forward_hook(lambda module, inputs, output: output * 2)
    net.conv2.register_full_backward_hook(lambda module, inputs, outputs: None)
    net.norm.register_forward_pre_hook(lambda module, inputs: (inputs[0] / 2,))


def _functional(net: Plain) -> nn.Module:
    other = Functional().double()
    other.load_state_dict(net.state_dict())
    return other.eval()


def _reloaded(net: Plain) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    return torch.jit.load(io.BytesIO(file.getvalue()))


def _parametrised(net: Plain) -> None:
    parametrize.register_parametrization(net.conv2, "weight", Doubled())


def _set(net: Plain, **attributes) -> None:
    for name, value in attributes.items():
        setattr(net, name, value)


def _statistics_of_the_batch(net: Plain) -> None:
    net.norm = nn.BatchNorm2d(4, track_running_stats=False).double()


# ----------------------------------------------------------------------------------------------------- the outcomes

LAYER_CALLS = tuple(f"layer_attribution {method}" for method in LAYER_METHODS)
NEURON_CALLS = tuple(f"neuron_attribution {method}" for method in NEURON_METHODS)
CAMS = tuple(name for name in METHODS if "cam" in name)
GRID_CAMS = tuple(name for name in CAMS if name not in ("cam", "guided_gradcam"))
FORWARD = ("cam", "occlusion", "rise")
NO_PASS = ("edge_map", "random_map", "cascade")
# Every call of the sweep. Those of METHODS come by their names.
CALLS = (*METHODS, *LAYER_CALLS, *NEURON_CALLS, "fgsm", "pgd", "class_image", "cascade")
RUNNING = tuple(call for call in CALLS if call not in NO_PASS)
BY_GRADIENT = tuple(call for call in RUNNING if call not in FORWARD)
ON_INPUTS = tuple(call for call in CALLS if call not in ("class_image", "cascade"))
BY_RULE = ("deeplift", "deconvnet", "guided_backprop", "guided_gradcam", LAYER_CALLS[-1], NEURON_CALLS[-1])
INSIDE = (*LAYER_CALLS, *NEURON_CALLS)
BELOW = tuple(call for call in BY_GRADIENT if call not in (*GRID_CAMS, *LAYER_CALLS))
ON_OUTPUTS = tuple(call for call in RUNNING if call not in NEURON_CALLS)
WITH_IMAGE = tuple(call for call in RUNNING if call != "class_image")


@dataclass(frozen=True)
class Refusal:
    """Calls that raise ``error``, and what to do about it."""

    error: str
    calls: tuple[str, ...]
    instead: str


@dataclass(frozen=True)
class Odd:
    """One kind of model or inputs.

    Attributes:
        build: the model.
        inputs: ``(N, ...)``.
        twin: builds a plain model in 64 bits that computes the same; ``None``: the model is its own.
        refusals: the calls that are refused; all others are right.
        warned: calls that warn, and a part of the message. Their values are not compared for DeepLift.
        tolerance: of the values, relative to the largest.
        target: what is explained.
        layer, neuron: for calls that need one.
        left_out: calls that have no meaning here.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor] = pictures
    twin: Callable[[], nn.Module] | None = plain
    refusals: tuple[Refusal, ...] = ()
    warned: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-6
    target: int | None = 1
    layer: str = "conv2"
    neuron: tuple[int, ...] = (1, 2, 2)
    left_out: tuple[str, ...] = ()

    def refusal(self, call: str) -> Refusal | None:
        return next((refusal for refusal in self.refusals if call in refusal.calls), None)

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(call for call in CALLS if call not in self.left_out)


def _scripted(make: Callable[[Plain], nn.Module], **options) -> Odd:
    return Odd(
        changed(make),
        refusals=(
            Refusal("NotDifferentiableError", ("deeplift", "deconvnet", "guided_backprop"), _EAGER),
            Refusal("LayerError", (*CAMS, *INSIDE), _EAGER),
            Refusal("InputError", ("cascade",), _EAGER),
        ),
        **options,
    )


def _no_gradient(forward: Callable, why: str, calls: tuple[str, ...] = BY_GRADIENT) -> Odd:
    return Odd(around(forward), refusals=(Refusal("NotDifferentiableError", calls, why),), layer="net.conv2")


def _bad_inputs(inputs: Callable[[], Tensor], instead: str, calls: tuple[str, ...] = ON_INPUTS, **options) -> Odd:
    return Odd(plain, inputs, refusals=(Refusal("InputError", calls, instead),), left_out=("class_image",), **options)


def _other_outputs(forward: Callable) -> Odd:
    return Odd(around(forward), refusals=(Refusal("TargetError", ON_OUTPUTS, _CALLABLE),), layer="net.conv2")


def _vectors(
    build: Callable[[], nn.Module],
    layer: str,
    *refusals: Refusal,
    no_relu: bool = False,
    neuron: tuple[int, ...] = (1,),
) -> Odd:
    flat = (
        Refusal("NoTargetLayerError", CAMS, "No layer has a grid."),
        Refusal("InputError", ("rise", "edge_map"), "There is no grid."),
    )
    warned = dict.fromkeys(("deconvnet", "guided_backprop"), "calls no ReLU") if no_relu else {}
    return Odd(
        lambda: live(build, table(8)), table, None, (*refusals, *flat), warned, layer=layer, neuron=neuron,
        left_out=("class_image",),
    )  # fmt: skip


def _recurrent(cell: type[nn.RNNBase]) -> Odd:
    return Odd(
        lambda: live(lambda: Recurrent(cell), series(8)), series, None,
        (
            Refusal("LayerError", INSIDE, "A recurrent cell puts out a tuple: name the layer behind it."),
        ),
        {"deeplift": "recurrent cell", **dict.fromkeys(BY_RULE[1:4], "calls no ReLU")},
        layer="cell", neuron=(1,), left_out=("class_image",),
    )  # fmt: skip


_EAGER = "Explain the model that it was made of."
_CALLABLE = "Pass a callable target, which gets the outputs and returns `(N,)` scores."
_CHECKPOINT = "Switch checkpointing off."
_MISSING = "Fill in what is missing, and say so in a channel."
_WRAP = "Put it into a module that takes one tensor."
_AXIS = "Add the axis of the samples: `inputs[None]`."

ODD: dict[str, Odd] = {
    "a plain network, in 64 bits": Odd(plain, twin=None),
    "in 32 bits": Odd(changed(lambda net: net.float()), lambda: pictures(dtype=torch.float32), tolerance=1e-3),
    "in half precision": Odd(changed(lambda net: net.half()), lambda: pictures(dtype=torch.float16), tolerance=0.1),
    "in bfloat16": Odd(changed(lambda net: net.bfloat16()), lambda: pictures(dtype=torch.bfloat16), tolerance=0.5),
    "half precision, inputs in 64 bits": Odd(
        changed(lambda net: net.half()),
        refusals=(Refusal("InputError", WITH_IMAGE, "Give inputs in the dtype of the weights."),),
        tolerance=0.1,
        left_out=("cascade", "class_image"),
    ),
    "autocast inside": Odd(around(_autocast), tolerance=0.5, layer="net.conv2"),
    "TorchScript, by script": _scripted(torch.jit.script),
    "TorchScript, by trace": _scripted(lambda net: torch.jit.trace(net, pictures())),
    "TorchScript, from a file": _scripted(_reloaded),
    "one layer scripted": Odd(
        changed(lambda net: _set(net, conv2=torch.jit.script(net.conv2))),
        refusals=(
            Refusal("NotDifferentiableError", ("deeplift",), _EAGER),
            Refusal("LayerError", INSIDE, _EAGER),
            Refusal("InputError", ("cascade",), _EAGER),
        ),
    ),
    "one function scripted": Odd(
        changed(_scripted_function),
        refusals=(Refusal("NotDifferentiableError", BY_RULE[1:4], "Call the function unscripted."),),
        warned=dict.fromkeys(("deeplift", NEURON_CALLS[-1]), "DeepLift misses completeness"),
    ),
    "torch.export": Odd(
        changed(_exported),
        refusals=(
            Refusal("NotDifferentiableError", BY_RULE[:4], _EAGER),
            Refusal("LayerError", INSIDE, _EAGER),
        ),
    ),
    "torch.compile": Odd(changed(_compiled)),
    "torch.compile of one layer": Odd(changed(_compiled_part)),
    "quantised, dynamic": Odd(
        changed(_quantised),
        lambda: pictures(dtype=torch.float32),
        None,
        (
            Refusal(
                "NotDifferentiableError",
                tuple(c for c in ON_OUTPUTS if c in BY_GRADIENT),
                "Explain the model before quantisation.",
            ),
            Refusal("NoTargetLayerError", ("cam",), "The head is no `nn.Linear` any more."),
            Refusal("InputError", ("cascade",), "Randomise the model before quantisation."),
        ),
        tolerance=0.05,
    ),
    "weight norm, older": Odd(changed(_old_weight_norm)),
    "weight norm": Odd(changed(lambda net: _done(parametrizations.weight_norm(net.conv2)))),
    "spectral norm, older": Odd(changed(_old_spectral_norm), twin=None),
    "spectral norm": Odd(changed(lambda net: _done(parametrizations.spectral_norm(net.conv2).eval())), twin=None),
    "pruned": Odd(changed(lambda net: _done(prune.l1_unstructured(net.conv2, "weight", 0.5))), twin=None),
    "parametrised": Odd(changed(_parametrised), twin=None),
    "checkpointed": Odd(
        around(lambda net, x: checkpoint(net, x, use_reentrant=False)),
        refusals=(
            Refusal("NotDifferentiableError", (*BY_RULE[:2], *BY_RULE[3:], *GRID_CAMS, *LAYER_CALLS), _CHECKPOINT),
        ),
        layer="net.conv2",
    ),
    "checkpointed, reentrant": _no_gradient(lambda net, x: checkpoint(net, x, use_reentrant=True), _CHECKPOINT),
    "`no_grad` inside": _no_gradient(_no_grad, "Take it out of the model."),
    "`inference_mode` inside": _no_gradient(_inference, "Take it out of the model."),
    "`detach` in the middle": _no_gradient(
        _detached,
        "Take it out, or explain a layer after it.",
        BELOW,
    ),
    "through numpy": _no_gradient(_numpy, "Keep to torch.", BELOW),
    "ends in argmax": Odd(
        around(lambda net, x: net(x).argmax(1)),
        refusals=(Refusal("TargetError", ON_OUTPUTS, "Explain the model before that step."),),
        layer="net.conv2",
    ),
    "holds a lock": Odd(
        changed(lambda net: _set(net, lock=threading.Lock())),
        refusals=(Refusal("InputError", ("cascade",), "What is randomised is a copy: keep locks and files out."),),
    ),
    "holds a lambda": Odd(changed(lambda net: _set(net, how=lambda x: x))),
    "one channel": Odd(lambda: plain(1), lambda: pictures(channels=1), None),
    "eleven channels": Odd(lambda: plain(11), lambda: pictures(channels=11), None),
    "an image without batch axis": _bad_inputs(lambda: pictures()[0], _AXIS, WITH_IMAGE),
    "a batch of one": Odd(plain, lambda: pictures(1)),
    "loses the axis of a batch of one": Odd(
        lambda: live(Lonely, pictures(8)),
        lambda: pictures(1),
        refusals=(
            Refusal(
                "TargetError",
                tuple(c for c in ON_OUTPUTS if c != "cam"),
                "Write `.squeeze(1)`.",
            ),
        ),
        target=None,
    ),
    "an empty batch": _bad_inputs(lambda: pictures()[:0], "There is nothing to explain."),
    "NaN in the inputs": _bad_inputs(lambda: pictures() * torch.nan, _MISSING),
    "infinity in the inputs": _bad_inputs(lambda: pictures() / 0, _MISSING),
    "integers": _bad_inputs(lambda: (pictures() * 255).byte(), "Divide by 255."),
    "complex numbers": _bad_inputs(lambda: pictures().to(torch.complex128), "Make channels of the two parts."),
    "rounding just outside of [0, 1]": Odd(plain, lambda: pictures() * (1 + 6e-8) - 3e-8),
    "returns a tuple": _other_outputs(lambda net, x: (net(x), x)),
    "returns a list": _other_outputs(lambda net, x: [net(x)]),
    "returns a dictionary": _other_outputs(lambda net, x: {"out": net(x)}),
    "returns an object with `.logits`": Odd(around(lambda net, x: Output(net(x), x)), layer="net.conv2"),
    "returns a dictionary with `logits`": Odd(around(lambda net, x: {"logits": net(x)}), layer="net.conv2"),
    "segmentation": Odd(
        lambda: live(Segmentation, pictures(8)),
        twin=None,
        refusals=(Refusal("TargetError", ON_OUTPUTS, _CALLABLE),),
    ),
    "takes two inputs": Odd(
        lambda: WithMask(plain()),
        refusals=(Refusal("InputError", RUNNING, _WRAP),),
        layer="net.conv2",
        left_out=("cascade",),
    ),
    "one output, `(N, 1)`": Odd(lambda: plain(classes=1), twin=None, target=None),
    "one output, `(N,)`": Odd(
        around(lambda net, x: net(x)[:, 0], classes=1), twin=lambda: plain(classes=1), target=None, layer="net.conv2"
    ),
    "one output, and a class": Odd(
        lambda: plain(classes=1),
        refusals=(
            Refusal(
                "TargetError",
                tuple(c for c in RUNNING if c not in (*NEURON_CALLS, "fgsm", "pgd")),
                "Pass `None` for the output, `targets.against` for its negation.",
            ),
        ),
        twin=None,
    ),
    "ends in softmax": Odd(
        lambda: nn.Sequential(plain(), nn.Softmax(1)),
        twin=None,
        layer="0.conv2",
        refusals=(Refusal("NoTargetLayerError", ("cam",), "CAM needs logits: explain the model before the softmax."),),
        warned=dict.fromkeys((c for c in ON_OUTPUTS if c != "cam"), "like a softmax"),
    ),
    "ends in sigmoid": Odd(
        lambda: nn.Sequential(plain(), nn.Sigmoid()),
        twin=None,
        layer="0.conv2",
        refusals=(Refusal("NoTargetLayerError", ("cam",), "CAM needs logits: explain the model before the sigmoid."),),
    ),
    "LSTM": _recurrent(nn.LSTM),
    "GRU": _recurrent(nn.GRU),
    "embedding of word numbers": _vectors(
        Words,
        "table",
        Refusal(
            "NotDifferentiableError",
            tuple(c for c in BY_GRADIENT if c not in (*CAMS, *LAYER_CALLS)),
            "Explain the layer `table`.",
        ),
        no_relu=True,
        neuron=(1, 2),
    ),
    "in training mode": Odd(changed(lambda net: _done(net.train()))),
    "in place on its input": Odd(around(lambda net, x: net(x.mul_(1.0))), layer="net.conv2"),
    "rectifiers as functions, in place on views": Odd(changed(_functional)),
    "a layer used three times": _vectors(
        Tied,
        "inner",
        Refusal("LayerError", INSIDE, "Name a layer that runs once."),
    ),
    "two layers with one weight": _vectors(Shared, "one"),
    "steps that depend on the data": Odd(around(_steps), layer="net.conv2"),
    "hooks of its own": Odd(changed(_hooked)),
    "DataParallel, on the CPU": Odd(lambda: nn.DataParallel(plain()), layer="module.conv2"),
    "no parameters": Odd(
        NoParameters,
        twin=None,
        refusals=(
            Refusal("NoTargetLayerError", CAMS, "No layer has a grid."),
            Refusal("LayerError", INSIDE, "There is no layer."),
            Refusal("InputError", ("cascade",), "There is nothing to randomise."),
        ),
        warned=dict.fromkeys(("deconvnet", "guided_backprop"), "calls no ReLU"),
    ),
    "returns its input": _vectors(
        Same,
        "conv2",
        Refusal("LayerError", INSIDE, "There is no layer."),
        Refusal("InputError", ("cascade",), "There is nothing to randomise."),
        no_relu=True,
    ),
    "channels last": Odd(
        changed(lambda net: net.to(memory_format=torch.channels_last)),
        lambda: pictures().contiguous(memory_format=torch.channels_last),
    ),
    "inputs with gaps in memory": Odd(plain, lambda: pictures().repeat_interleave(2, 3)[..., ::2]),
    "frozen": Odd(changed(lambda net: net.requires_grad_(False))),
    "batch normalisation by the batch": Odd(
        changed(_statistics_of_the_batch),
        refusals=(Refusal("InputError", CALLS[:-1], "Build it with `track_running_stats=True`."),),
    ),
}


def _done(_: object) -> None:
    """Nothing: the network was changed in place."""
