"""Layers and neurons inside the network, by captum but for DeepLift.

Captum changes modules while it works, so it gets a copy of the model: ours stays untouched whatever happens.
"""

from __future__ import annotations

import copy
import warnings
from functools import partial

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, LayerError
from .core import find_layer, first_look, slices, spread, wide
from .differences import deeplift_of_layer, deeplift_of_neuron


def _captum():
    """``captum.attr``. Its progress bar, which we don't use, warns in a notebook without ipywidgets."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from captum import attr
    return attr


class _Scored(nn.Module):
    """A copy of the model that returns the score of each row, for a target fixed beforehand."""

    def __init__(self, model: nn.Module, target):
        super().__init__()
        self.model = copy.deepcopy(getattr(model, "_orig_mod", model))
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        # Captum appends the baselines, or many points on a path, to the batch.
        target = self.target
        if isinstance(target, Tensor):
            target = target.repeat(len(x) // len(target))
        return targets.score(self.model(x.clone()), target)


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
    """How much each unit of a layer contributes to the score.

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
        return attr.LayerConductance(net, inner).attribute(x, start, n_steps=n_steps)

    if method == "deeplift":
        return _in_parts(model, inputs, target, baseline, batch_size, partial(deeplift_of_layer, layer=name))
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
    """How much each input value contributes to one unit of a layer.

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
        return attr.NeuronIntegratedGradients(net, inner).attribute(x, neuron, start, n_steps=n_steps)

    if method == "deeplift":
        place = neuron if isinstance(neuron, tuple) else (neuron,)

        def explain_by_rule(model, x, start, _):
            return deeplift_of_neuron(model, x, start, name, place)

        return _in_parts(model, inputs, None, baseline, batch_size, explain_by_rule)
    return _by_captum(model, inputs, None, baseline, batch_size, explain)


def _in_parts(model, inputs, target, baseline, batch_size, explain) -> Tensor:
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        target, _ = first_look(model, x, target, batch_size)
        parts = slices(len(x), batch_size)
        found = [explain(model, x[rows], starts[rows], targets.take(target, rows)) for rows in parts]
        return torch.cat(found).detach()


def _by_captum(model, inputs, target, baseline, batch_size, explain) -> Tensor:
    with untouched(model, inputs) as x, warnings.catch_warnings():
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        target, _ = first_look(model, x, target, batch_size)
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        maps = []
        for rows in slices(len(x), batch_size):
            # Sums over many points need more digits than half precision has, and the copy is ours to widen.
            net = _Scored(model, targets.take(target, rows)).to(wide(x.dtype))
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
