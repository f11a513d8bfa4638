"""Networks whose learning is undone, layer by layer, and labels whose meaning is undone.

A map that explains what a network learnt must change when that is taken away (Adebayo et al., "Sanity Checks for
Saliency Maps", 2018). Hold the class fixed at the original network's prediction when you compare maps: what a
randomised network would predict is another question.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from .._state import copied, run, untouched
from ..attribution.core import generator_of
from ..data import ImageSet
from ..errors import InputError, require

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def cascade(
    model: nn.Module,
    layers: Sequence[str] | None = None,
    *,
    init: str = "normal",
    std: float = 0.01,
    seed: int = 0,
) -> Iterator[tuple[str, nn.Module]]:
    """Cascading randomisation: the first layer; the first and the second; and so on until all are random.

    Each copy is an independent network, on the model's device, with its train flags; the model itself is not touched.
    What was random in one copy has the same values in the next. No two layers share their draws, and the global
    random state does not move.

    Args:
        model: any module.
        layers: dotted names from the output to the input; a name stands for everything inside it, such as a whole
            block. ``None``: ``default_layers(model)``.
        init: ``"normal"``: weights and biases from N(0, std^2), as in Shin and Nemeth, with 0.01.
            ``"own"``: each layer's own initialisation, its ``reset_parameters``.
            ``"permute"``: the values of each weight tensor in a random order, so that their distribution stays.
        std: standard deviation for ``"normal"``.
        seed: of all draws.

    Normalisation layers: with ``"normal"`` and ``"own"`` scale and shift go back to 1 and 0 (a scale of
    N(0, 0.01^2) would switch the network off), with ``"permute"`` they are permuted like other weights. Always, the
    running statistics of a randomised batch normalisation go back to mean 0 and variance 1: they were learnt too.
    Layers that aren't named keep theirs.

    Yields:
        ``(name, copy)``, the name being that of the layer randomised last. The original is not among them.

    Raises:
        InputError: at the call: unknown, repeated or parameter-free names, or an unknown ``init``; for ``"own"``, a
            module that holds weights but has no ``reset_parameters``.

    Example:
        >>> import torch, salkit
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> [name for name, copy in salkit.sanity.cascade(model)]
        ['2', '0']
        >>> name, copy = next(salkit.sanity.cascade(model))
        >>> torch.equal(copy[0].weight, model[0].weight), torch.equal(copy[2].weight, model[2].weight)
        (True, False)
    """
    return _randomised(model, layers, init, std, seed, accumulate=True)


def independent(
    model: nn.Module,
    layers: Sequence[str] | None = None,
    *,
    init: str = "normal",
    std: float = 0.01,
    seed: int = 0,
) -> Iterator[tuple[str, nn.Module]]:
    """Independent randomisation: one layer at a time, all others as they were learnt.

    Arguments, result and errors are those of `cascade`.

    Example:
        >>> import torch, salkit
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> *_, (name, copy) = salkit.sanity.independent(model)
        >>> name, torch.equal(copy[0].weight, model[0].weight), torch.equal(copy[2].weight, model[2].weight)
        ('0', False, True)
    """
    return _randomised(model, layers, init, std, seed, accumulate=False)


def default_layers(model: nn.Module, inputs: Tensor | None = None) -> list[str]:
    """Names of the modules that hold weights themselves, from the output to the input.

    Args:
        model: any module.
        inputs: ``(N, ...)``. With them the order is that of the forward pass, and modules that it doesn't use are
            left out; one sample is enough. Without them it is the order in which the modules were registered,
            which for most networks is the same.

    Example:
        >>> from salkit import models, sanity
        >>> sanity.default_layers(models.fc_net())
        ['net.13', 'net.11', 'net.9', 'net.7', 'net.5', 'net.3', 'net.1']
    """
    names = {module: name for name, module in model.named_modules() if _own_parameters(module)}
    if inputs is None:
        return list(names.values())[::-1]
    used: dict[nn.Module, None] = {}
    handles = [m.register_forward_hook(lambda module, *_: used.setdefault(module)) for m in names]
    try:
        with untouched(model, inputs[:1]) as some, torch.no_grad():
            run(model, some.clone())
    finally:
        for handle in handles:
            handle.remove()
    return [names[module] for module in used][::-1]


def permute_labels(data: ImageSet, *, seed: int = 0) -> ImageSet:
    """The same images with their labels dealt out again at random; how often each class occurs stays.

    A network can only learn such a set by heart, so nothing in its pictures is evidence for the class.

    Example:
        >>> from salkit import data, sanity
        >>> some = data.scenes(6, classes=["deer", "ship"])
        >>> some.labels, sanity.permute_labels(some).labels
        (tensor([1, 0, 1, 0, 0, 1]), tensor([1, 1, 0, 1, 0, 0]))
    """
    order = torch.randperm(len(data), generator=generator_of(seed))
    source = f"{data.source}, labels permuted" if data.source else "labels permuted"
    return replace(data, labels=data.labels[order.to(data.labels.device)], source=source)


def _randomised(model, layers, init, std, seed, accumulate) -> Iterator[tuple[str, nn.Module]]:
    """Checks now, copies when asked for: a generator function would complain only at its first item."""
    layers = default_layers(model) if layers is None else list(layers)
    _check(model, layers, init, std)
    generator = generator_of(seed)

    def copies():
        start = copied(model)  # the caller may change the model, or a copy, between two items
        for name in layers:
            fresh = copied(start)
            _randomise(fresh.get_submodule(name), init, std, generator)
            if accumulate:
                start = copied(fresh)
            yield name, fresh

    return copies()


@torch.no_grad()
def _randomise(layer: nn.Module, init: str, std: float, generator: torch.Generator) -> None:
    """New weights for everything in ``layer``, drawn on the CPU so that they are the same on every device."""
    for module in layer.modules():
        if isinstance(module, _NORMS) and init != "permute":
            module.reset_parameters()  # draws nothing: scale 1, shift 0, running statistics 0 and 1
        elif init == "own" and _own_parameters(module):
            _reset(module, generator)
        else:
            for name, parameter in _own_parameters(module).items():
                if init == "normal" and _is_norm(module):
                    new = torch.full(parameter.shape, float(name == "weight"))
                elif init == "normal":
                    new = torch.randn(parameter.shape, generator=generator) * std
                else:
                    order = torch.randperm(parameter.numel(), generator=generator)
                    new = parameter.flatten()[order.to(parameter.device)]
                parameter.copy_(new.view(parameter.shape))
            if isinstance(module, _NormBase):
                module.reset_running_stats()


def _reset(module: nn.Module, generator: torch.Generator) -> None:
    """``reset_parameters``, which draws from the global random state: seeded for it, and put back."""
    on_cpu = copy.deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        getattr(on_cpu, _reset_name(module))()
    for name, parameter in _own_parameters(module).items():
        parameter.copy_(getattr(on_cpu, name))


def _reset_name(module: nn.Module) -> str:
    return next((name for name in ("reset_parameters", "_reset_parameters") if hasattr(module, name)), "")


def _is_norm(module: nn.Module) -> bool:
    """Whether it is a normalisation of somebody's own: a class called so, with a scale and perhaps a shift."""
    names = _own_parameters(module).keys()
    return type(module).__name__.lower().endswith("norm") and "weight" in names and names <= {"weight", "bias"}


def _own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))


def _check(model: nn.Module, layers: list[str], init: str, std: float) -> None:
    require("init", init, init in ("normal", "own", "permute"), "'normal', 'own' or 'permute'")
    require("std", std, std > 0, "positive")
    if any(isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_packed_params") for part in model.modules()):
        raise InputError("TorchScript and quantised models hide weights: randomise the model that it was made of")
    if not layers:
        raise InputError("the model holds no weights, so there is nothing to randomise")
    if len(set(layers)) < len(layers):
        raise InputError(f"each layer can be named once only: {layers}")
    known = dict(model.named_modules(remove_duplicate=False))
    for name in layers:
        if name not in known:
            raise InputError(f"the model has no layer {name!r}; its layers are {', '.join(default_layers(model))}")
        if next(known[name].parameters(), None) is None:
            raise InputError(f"layer {name!r} holds no weights, so there is nothing to randomise")
        for module in known[name].modules():
            if init == "own" and _own_parameters(module) and not _reset_name(module):
                raise InputError(
                    f"{type(module).__name__} in layer {name!r} has no reset_parameters: "
                    "use init='normal' or init='permute'"
                )
