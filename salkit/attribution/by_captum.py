"""Methods that captum has and that would not get simpler here: DeepLift, and layers and neurons inside the network.

Captum changes modules while it works, so it gets a copy of the model: ours stays untouched whatever happens.
"""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, LayerError
from .core import find_layer, first_look, slices, spread, wide
from .rectifiers import RectifierMode, count_rectifiers


def _captum():
    """``captum.attr``. Its progress bar, which we don't use, warns in a notebook without ipywidgets."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from captum import attr
    return attr


class _Scored(nn.Module):
    """A copy of the model that returns the score of each row, for a target fixed beforehand.

    Captum's DeepLift acts on modules that are used once. So every call of a ReLU, by a module or a function,
    first or again, is sent to a module of its own.
    """

    def __init__(self, model: nn.Module, target, rectifiers: int):
        super().__init__()
        self.model = copy.deepcopy(getattr(model, "_orig_mod", model))
        self.target = target
        self.rectifiers = nn.ModuleList(nn.ReLU() for _ in range(2 * rectifiers))
        for module in self.model.modules():
            if isinstance(module, nn.ReLU):
                module.__class__ = _FunctionalReLU

    def forward(self, x: Tensor) -> Tensor:
        # Captum appends the baselines, or many points on a path, to the batch.
        target = self.target
        if isinstance(target, Tensor):
            target = target.repeat(len(x) // len(target))
        unused = iter(self.rectifiers)

        def rectify(x: Tensor, top: float | None) -> Tensor:
            # A ReLU6 is the difference of two ReLUs.
            return next(unused)(x) if top is None else next(unused)(x) - next(unused)(x - top)

        with RectifierMode(rectify):
            outputs = self.model(x.clone())
        return targets.score(outputs, target)


class _FunctionalReLU(nn.ReLU):
    """Not ``nn.ReLU`` by its type, so that captum leaves it alone."""


def deeplift(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    baseline: float | Tensor = 0.0,
    batch_size: int | None = None,
) -> Tensor:
    """DeepLift with the rescale rule (Shrikumar et al. 2017, section 3.5.1), by captum.

    Each activation is compared with what it is on the baseline; the values of a map add up to
    :math:`S_c(x) - S_c(x')`. The rule holds at every ReLU, and at other activations and max pools
    that are modules and used once. A GELU, a SiLU, or what is called as a function, gets the plain gradient.
    Captum's rule for max pools loses a part of the sum; without them the sum is exact.

    Args:
        model, inputs, target, batch_size: as for ``gradient``.
        baseline: :math:`x'`, a number or a tensor that broadcasts to the inputs, in the inputs' units.

    Returns:
        In the inputs' shape and dtype, signed, detached.

    Raises:
        InputError, TargetError: see ``gradient``.
        LayerError: a module with a rule, other than a ReLU, is used more than once.
    """

    def explain(net, x, start):
        return _captum().DeepLift(net).attribute(x, start)

    return _by_captum(model, inputs, target, baseline, batch_size, explain)


LAYER_METHODS = ("gradient_x_activation", "integrated_gradients", "conductance", "deeplift")
NEURON_METHODS = ("gradient", "integrated_gradients", "deeplift")


def layer_attribution(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: nn.Module | str,
    method: str = "conductance",
    baseline: float | Tensor = 0.0,
    n_steps: int = 50,
    batch_size: int | None = None,
) -> Tensor:
    """How much each unit of a layer contributes to the score, by captum.

    Args:
        model, inputs, target, batch_size: as for ``gradient``.
        layer: a module or its dotted name.
        method: ``"conductance"`` (Dhamdhere et al. 2018), ``"integrated_gradients"``, ``"deeplift"``, or
            ``"gradient_x_activation"``.
        baseline: a number or a tensor that broadcasts to the inputs, in the inputs' units.
        n_steps: points on the path of the methods that integrate.

    Returns:
        In the shape of the layer's output, signed, detached, in the inputs' dtype.

    Raises:
        InputError, TargetError: see ``gradient``; also an unknown method.
        LayerError: the layer is not in the model, is a ReLU (take the layer before), or can't be explained.
    """
    _check_choice(method, LAYER_METHODS)
    name, _ = find_layer(model, layer)

    def explain(net, x, start):
        attr = _captum()
        inner = net.model.get_submodule(name)
        if method == "gradient_x_activation":
            return attr.LayerGradientXActivation(net, inner).attribute(x)
        if method == "integrated_gradients":
            return attr.LayerIntegratedGradients(net, inner).attribute(x, start, n_steps=n_steps)
        if method == "conductance":
            return attr.LayerConductance(net, inner).attribute(x, start, n_steps=n_steps)
        return attr.LayerDeepLift(net, inner).attribute(x, start)

    return _by_captum(model, inputs, target, baseline, batch_size, explain)


def neuron_attribution(
    model: nn.Module,
    inputs: Tensor,
    *,
    layer: nn.Module | str,
    neuron: int | tuple[int, ...],
    method: str = "integrated_gradients",
    baseline: float | Tensor = 0.0,
    n_steps: int = 50,
    batch_size: int | None = None,
) -> Tensor:
    """How much each input value contributes to one unit of a layer, by captum.

    Args:
        model, inputs, batch_size: as for ``gradient``.
        layer: a module or its dotted name.
        neuron: the unit's index in the layer's output, without the batch axis: an int for a linear layer,
            ``(channel, row, column)`` for a convolution.
        method: ``"integrated_gradients"``, ``"gradient"`` or ``"deeplift"``.
        baseline: a number or a tensor that broadcasts to the inputs, in the inputs' units.
        n_steps: points on the path of integrated gradients.

    Returns:
        In the inputs' shape and dtype, signed, detached.

    Raises:
        InputError: see ``gradient``; also an unknown method.
        LayerError: the layer is not in the model, or has no such unit.
    """
    _check_choice(method, NEURON_METHODS)
    name, _ = find_layer(model, layer)

    def explain(net, x, start):
        attr = _captum()
        inner = net.model.get_submodule(name)
        if method == "gradient":
            return attr.NeuronGradient(net, inner).attribute(x, neuron)
        if method == "integrated_gradients":
            return attr.NeuronIntegratedGradients(net, inner).attribute(x, neuron, start, n_steps=n_steps)
        return attr.NeuronDeepLift(net, inner).attribute(x, neuron, start)

    return _by_captum(model, inputs, None, baseline, batch_size, explain)


def _by_captum(model, inputs, target, baseline, batch_size, explain) -> Tensor:
    with untouched(model, inputs) as x, warnings.catch_warnings():
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        target, _ = first_look(model, x, target, batch_size)
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        with torch.no_grad():
            rectifiers = count_rectifiers(model, x[:1])
        maps = []
        for rows in slices(len(x), batch_size):
            # DeepLift divides by differences that half precision can't hold, and the copy is ours to widen.
            net = _Scored(model, targets.take(target, rows), rectifiers).to(wide(x.dtype))
            point = x[rows].to(wide(x.dtype), copy=True).requires_grad_()
            try:
                found = explain(net, point, starts[rows].to(wide(x.dtype)))
            except (AssertionError, IndexError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and "more than once" not in str(error):
                    raise
                raise LayerError(f"captum can't explain this model here: {error}") from error
            maps.append((found[0] if isinstance(found, tuple) else found).detach().to(inputs.dtype))
        return torch.cat(maps)


def _check_choice(method: str, choices: tuple[str, ...]) -> None:
    if method not in choices:
        raise InputError(f"method must be one of {', '.join(choices)}, not {method!r}")
