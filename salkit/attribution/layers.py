"""Layers and neurons inside the network: the methods for inputs, on a part of the model.

What lies below a neuron is a model with a single output, and what lies above a layer is one whose input is what the
layer puts out.
"""

from __future__ import annotations

from operator import index

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, LayerError, SalkitError, require
from .core import (
    call,
    captured,
    copies,
    find_layer,
    first_look,
    gradient_of,
    is_ambiguous,
    misses,
    refuse_other_axes,
    repeat,
    rows_in_one_pass,
    scores_of,
    slices,
    spread,
    warn_of_holes,
    wide,
)
from .differences import contributions, deeplift, warn_of_gap
from .gradients import gradient
from .path import integrated_gradients, points
from .path import warn_of_gap as warn_of_steps

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
    r"""How much each unit of a layer contributes to the score.

    With :math:`h` what the layer puts out for the inputs and :math:`h'` for the baseline:

    - ``"gradient_x_activation"``: :math:`h_j \, \partial S_c / \partial h_j`.
    - ``"integrated_gradients"``: :math:`h_j - h'_j` times the mean gradient on the straight line from h' to h.
    - ``"conductance"``: :math:`\int (\partial S_c / \partial h_j) \, dh_j` while the inputs move straight from the
      baseline (Dhamdhere et al. 2018).
    - ``"deeplift"``: :math:`h_j - h'_j` times DeepLift's multiplier.

    The last three add up to the change of the score where everything passes through the layer.

    Args:
        model, inputs, target, batch_size: as for `gradient`.
        layer: a module or its dotted name.
        method: see above.
        baseline: a number or a tensor that broadcasts to the inputs, in the inputs' units.
        n_steps: points on the path of the methods that integrate, at least 2.

    Returns:
        In the shape of the layer's output, signed, detached, in the inputs' dtype.

    Raises:
        InputError, TargetError: see `gradient`; also an unknown method.
        LayerError: the layer is not in the model, does not run, runs twice, puts out no tensor, or one whose first
            axis is not that of the samples.
        NotDifferentiableError: no gradient flows from the score to the layer.

    Warns:
        SalkitWarning: DeepLift as in `deeplift`. Of the methods that integrate, more than 10 % of the change of the
            score is missing: for ``"integrated_gradients"`` of the change that the layer makes, for ``"conductance"``
            of the whole one, where what goes round the layer is counted too if it can be. Or a map is not finite.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False))
        >>> model[1].weight.data = torch.tensor([[3.0, -1.0]])
        >>> inputs = torch.tensor([[2.0, -5.0]])  # the second unit is off
        >>> salkit.layer_attribution(model, inputs, layer="0")
        tensor([[6., 0.]])
    """
    require("method", method, method in LAYER_METHODS, f"one of {', '.join(LAYER_METHODS)}")
    points("gauss_legendre", n_steps)
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        name, _ = find_layer(model, layer)
        target, _ = first_look(model, x, target, batch_size)
        refuse_other_axes(model, x, name)
        maps, told, beside = [], [], ""
        for rows in slices(len(x), batch_size):
            some, begin, mine = x[rows], starts[rows], targets.take(target, rows)
            if method == "deeplift":
                found, *more = contributions(model, some, begin, mine, name)
                told.append(more)
            elif method == "gradient_x_activation":
                slopes, units, _ = _slopes(model, some, mine, name)
                found = slopes * units
            else:
                path = _straight if method == "integrated_gradients" else _conducted
                parts = []
                for i in (slice(i, i + 1) for i in range(len(some))):
                    part, lower, upper = path(model, some[i], begin[i], targets.take(mine, i), name, n_steps)
                    change, ends = upper - lower, upper.abs() + lower.abs()
                    delta = part.sum().reshape(1) - change
                    if method == "conductance" and misses(delta, change, part, ends, inputs.dtype, 0.1).any():
                        past = _past(model, some[i], begin[i], targets.take(mine, i), name, n_steps)
                        delta = delta + (0 if past is None else past)
                        beside = "something may go round the layer, or " if past is None else beside
                    parts.append(part)
                    told.append((change, delta, ends))
                found = torch.cat(parts)
            maps.append(found)
        found = torch.cat(maps)
        if method != "deeplift":
            warn_of_holes(found)
        if told:
            change, delta, ends = map(torch.cat, zip(*told))
            if method == "deeplift":
                warn_of_gap(delta, change, found, ends, inputs.dtype)
            else:
                large = misses(delta, change, found, ends, inputs.dtype, 0.1)
                what = f"{method.replace('_', ' ')} of layer {name!r} miss{'es' * (method == 'conductance')}"
                warn_of_steps(what, large, delta, change, n_steps, beside)
        return found.to(inputs.dtype)


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
        model, inputs, batch_size: as for `gradient`.
        layer: a module or its dotted name.
        neuron: the unit's index in the layer's output, without the batch axis: an int for a linear layer,
            ``(channel, row, column)`` for a convolution.
        method: ``"integrated_gradients"``, ``"gradient"`` or ``"deeplift"``.
        baseline: a number or a tensor that broadcasts to the inputs, in the inputs' units.
        n_steps: points on the path of integrated gradients.

    Returns:
        In the inputs' shape and dtype, signed, detached.

    Raises:
        InputError: see `gradient`; also an unknown method, or a neuron that is no index.
        LayerError: as `layer_attribution`; also a layer that has no such unit.
        NotDifferentiableError: no gradient flows from the unit to the inputs.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU())
        >>> model[0].weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> salkit.neuron_attribution(model, torch.ones(1, 2), layer="0", neuron=1)
        tensor([[3., 4.]])
    """
    require("method", method, method in NEURON_METHODS, f"one of {', '.join(NEURON_METHODS)}")
    below = _Below(model, find_layer(model, layer)[0], _index(neuron))
    if method == "gradient":
        return gradient(below, inputs, batch_size=batch_size)
    if method == "deeplift":
        return deeplift(below, inputs, baseline=baseline, batch_size=batch_size)
    return integrated_gradients(below, inputs, baseline=baseline, n_steps=n_steps, batch_size=batch_size)


def _index(neuron) -> tuple[int, ...]:
    try:
        return tuple(map(index, neuron if isinstance(neuron, tuple) else (neuron,)))
    except TypeError as error:
        raise InputError(f"neuron must be an int or a tuple of ints, not {neuron!r}") from error


class _Below(nn.Module):
    """The part of a model below one unit, whose value is the single output."""

    def __init__(self, model: nn.Module, name: str, neuron: tuple[int, ...]):
        super().__init__()
        self.model, self.name, self.neuron, self.looked_at = model, name, neuron, False

    def forward(self, x: Tensor) -> Tensor:
        with captured(self.model, [self.name]) as inner:
            self.model(x)
        units = inner[self.name]
        try:
            value = units[(slice(None), *self.neuron)]
        except IndexError as error:
            raise LayerError(f"layer {self.name!r} puts out {tuple(units.shape)}: no neuron {self.neuron}") from error
        if value.ndim != 1:
            raise LayerError(f"layer {self.name!r} puts out {tuple(units.shape)}: {self.neuron} is not one neuron")
        if is_ambiguous(units, len(x)) and not self.looked_at:
            refuse_other_axes(self.model, x.detach(), self.name)
        self.looked_at = True
        return value


def _slopes(model: nn.Module, rows: Tensor, target, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of the scores by what a layer puts out, that itself, and the scores."""
    with captured(model, [name], cut=True) as outputs_of:
        scores = scores_of(call(model, rows), target, len(rows))
    units = outputs_of[name]
    return gradient_of(scores, [units])[0], units.detach(), scores.detach()


def _straight(model: nn.Module, x: Tensor, start: Tensor, target, name: str, n_steps: int) -> tuple[Tensor, ...]:
    """Integrated gradients of one sample, on the line between what the layer puts out for start and input.

    And the scores at the two ends of that line, ``(1,)`` each: all but the layer stays as it is on the input.
    """
    alphas, weights = points("gauss_legendre", n_steps)
    alphas, weights = torch.cat([alphas.new_tensor([0, 1]), alphas]), torch.cat([weights.new_zeros(2), weights])
    with torch.no_grad(), captured(model, [name]) as outputs_of:
        call(model, torch.cat([start, x]))
    begin, end = outputs_of[name].chunk(2)
    total = torch.zeros_like(end, dtype=wide(end.dtype))
    ends = []
    for which in copies(1, n_steps + 2, rows_in_one_pass(x, None)):
        alpha, weight = (t[which].to(end).reshape(-1, *[1] * (end.ndim - 1)) for t in (alphas, weights))
        leaf = (begin + alpha * (end - begin)).detach().requires_grad_()
        with captured(model, [name], units=leaf):
            scores = scores_of(call(model, x.expand(len(leaf), *x.shape[1:])), repeat(target, len(leaf)), len(leaf))
        found = torch.where(weight == 0, 0, weight * gradient_of(scores, [leaf])[0])  # 0 times infinity is not 0
        total += found.to(total.dtype).sum(0, keepdim=True)
        ends.append(scores.detach().to(total.dtype))
    ends = torch.cat(ends)
    return total * (end - begin), ends[:1], ends[1:2]


def _conducted(model: nn.Module, x: Tensor, start: Tensor, target, name: str, n_steps: int) -> tuple[Tensor, ...]:
    """The conductance of one sample: gradients times steps of the layer, while the inputs move (trapezoid rule).

    And the scores at the two ends of the way, ``(1,)`` each.
    """
    alphas = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    found = []
    for which in copies(1, n_steps + 1, rows_in_one_pass(x, None)):
        alpha = alphas[which].to(x).reshape(-1, *[1] * (x.ndim - 1))
        told = _slopes(model, start + alpha * (x - start), repeat(target, len(alpha)), name)
        found.append([part.to(wide(x.dtype)) for part in told])
    slopes, units, scores = (torch.cat(parts) for parts in zip(*found))
    total = ((slopes[1:] + slopes[:-1]) / 2 * (units[1:] - units[:-1])).sum(0, keepdim=True)
    return total, scores[:1], scores[-1:]


def _past(model: nn.Module, x: Tensor, start: Tensor, target, name: str, n_steps: int) -> Tensor | None:
    """What reaches the score past the layer while the inputs move, ``(1,)``; ``None`` where it can't be followed."""
    total = torch.zeros(1, dtype=wide(x.dtype), device=x.device)
    alphas = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    weights = torch.full_like(alphas, 1 / n_steps)
    weights[[0, -1]] /= 2
    for which in copies(1, n_steps + 1, rows_in_one_pass(x, None)):
        alpha, weight = (t[which].to(total).reshape(-1, *[1] * (x.ndim - 1)) for t in (alphas, weights))
        leaf = (start + alpha.to(x.dtype) * (x - start)).detach().requires_grad_()
        try:
            with captured(model, [name], cut=True) as outputs_of:
                scores = scores_of(call(model, leaf), repeat(target, len(leaf)), len(leaf))
            slopes = gradient_of(scores, [outputs_of[name], leaf])[1]
        except SalkitError:
            return None
        total += (weight * slopes.to(total.dtype) * (x - start)).sum()
    return total
