"""The gradient of the score: the method that all the others start from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import targets
from .._state import is_finite, untouched
from .core import (
    call,
    captured,
    differentiate_with_scores,
    gradient_of,
    is_ambiguous,
    refuse_other_axes,
    scores_of,
    slices,
    warn_of_holes,
)


def gradient(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: nn.Module | str | None = None,
    batch_size: int | None = None,
) -> Tensor:
    r"""How the score changes with each input value, to first order (Simonyan et al. 2013, section 3).

    .. math:: R_i = \partial S_c(x) / \partial x_i

    Args:
        model: gives logits; it is run in evaluation mode and left as it was.
        inputs: ``(N, ...)``, floating point.
        target: the class or score to explain; see `salkit.targets`. ``None``: each sample's predicted class.
        layer: differentiate by the output of this layer (a module or its dotted name) instead of by the inputs.
        batch_size: samples in one pass; ``None``: all. The result does not depend on it.

    Returns:
        Signed and unnormalised, in the shape of ``inputs`` (or of the layer's output), detached, in the
        inputs' dtype. The paper's map is its largest absolute value over the channels.

    Raises:
        InputError, TargetError, LayerError: when the call makes no sense; the message says what to do instead.
        NotDifferentiableError: when no gradient flows from the score to the inputs.

    Warns:
        SalkitWarning: a map holds NaN or infinity.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> # the score is 3 a - b
        >>> model.weight.data = torch.tensor([[3.0, -1.0]])
        >>> salkit.gradient(model, torch.tensor([[10.0, 20.0]]))
        tensor([[ 3., -1.]])
    """
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        parts, scores = [], []
        for rows in slices(len(x), batch_size):
            mine = targets.take(target, rows)
            first = rows.start == 0
            if layer is None:
                part, score = differentiate_with_scores(model, x[rows], mine, first=first, whole=target)
            else:
                part, score = _differentiate_at(model, x[rows], mine, layer, first=first, whole=target)
            parts.append(part.to(inputs.dtype))
            scores.append(score)
        maps = torch.cat(parts)
        warn_of_holes(maps, None if callable(target) else scores)
        return maps


def _differentiate_at(model: nn.Module, rows: Tensor, target, layer, *, first: bool, whole) -> tuple[Tensor, Tensor]:
    with captured(model, [layer], cut=True) as outputs_of:
        outputs = call(model, rows)
    if first:
        targets.inspect(outputs, whole)
    ((name, units),) = outputs_of.items()
    scores = scores_of(outputs, target, len(rows))
    if is_ambiguous(units, len(rows)):
        refuse_other_axes(model, rows, name)
    return gradient_of(scores, [units])[0], scores.detach()


def input_x_gradient(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *, batch_size: int | None = None
) -> Tensor:
    r"""Gradient times input (Shrikumar et al. 2016): what each value contributes, were the model linear.

    .. math:: R_i = x_i \, \partial S_c(x) / \partial x_i

    The sum over all values is the score itself where the network has rectifiers and no biases; a black pixel
    (0) gets nothing, whatever it does.

    Arguments, result and errors are those of `gradient`.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> # the score is 3 a - b
        >>> model.weight.data = torch.tensor([[3.0, -1.0]])
        >>> # adds up to the score, 10
        >>> salkit.input_x_gradient(model, torch.tensor([[10.0, 20.0]]))
        tensor([[ 30., -20.]])
    """
    maps = gradient(model, inputs, target, batch_size=batch_size)
    products = maps * inputs.detach()
    if not is_finite(products) and is_finite(maps):
        warn_of_holes(products)
    return products
