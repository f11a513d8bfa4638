"""DeepLift: what each input value, unit or place adds to the change of a score from a baseline."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import LayerError, NotDifferentiableError, SalkitWarning
from .core import captured, find_layer, first_look, gradient_of, scores_of, slices, spread, wide
from .rescale import Rescale, refuse_what_hides_functions, same_random_numbers


def deeplift(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    baseline: float | Tensor = 0.0,
    return_delta: bool = False,
    batch_size: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """DeepLift with the Rescale rule (Shrikumar et al. 2017, section 3.5.1).

    .. math:: R_i = m_i \\, (x_i - x'_i), \\qquad \\sum_i R_i = S_c(x) - S_c(x')

    :math:`m_i` is the gradient in which each non-linearity has its slope between the input :math:`x` and the baseline
    :math:`x'` in place of its derivative. The rule holds where the function is called: for a module, ``F.gelu(x)``,
    ``x.relu_()``, used once or many times, with a skip connection that branches off before it. Max pools have
    DeepLift's own rule, products of two values that depend on the input that of their mean factors.

    Args:
        model, inputs, target, batch_size: as for ``gradient``.
        baseline: :math:`x'`, a number or a tensor that broadcasts to the inputs, in the inputs' units.
        return_delta: also return ``(N,)``: the sum of the map minus the difference of the scores.

    Returns:
        In the inputs' shape and dtype, signed, detached; with ``return_delta`` a pair.

    Raises:
        InputError, TargetError: see ``gradient``; also a baseline that doesn't fit.
        NotDifferentiableError: the model hides its functions (TorchScript, export, checkpointing), or takes other
            steps on the baseline than on the input.

    Warns:
        SalkitWarning: more than 1 % of the change of the score is missing from the sum, because a part of the model
            (softmax, layer normalisation, a recurrent cell) has no rule and passes back its gradient.
    """
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        classes, _ = first_look(model, x, target, batch_size)
        maps, changes = [], []
        for rows in slices(len(x), batch_size):
            score = partial(_score, target=targets.take(classes, rows), rows=rows.stop - rows.start)
            multipliers, _, change = multiply(model, x[rows], starts[rows], score)
            maps.append(multipliers.to(wide(x.dtype)) * (x[rows] - starts[rows]))
            changes.append(change)
    found, change = torch.cat(maps), torch.cat(changes)
    delta = found.flatten(1).sum(1) - change
    _warn_of_gap(delta, change, found, inputs.dtype)
    found = found.to(inputs.dtype)
    return (found, delta.to(inputs.dtype)) if return_delta else found


def deeplift_of_layer(model: nn.Module, x: Tensor, start: Tensor, target, layer: nn.Module | str) -> Tensor:
    """What each unit of a layer adds to the change of the score; ``x`` and ``target`` as inside ``untouched``."""
    multipliers, way, _ = multiply(model, x, start, partial(_score, target=target, rows=len(x)), layer)
    return multipliers * way


def deeplift_of_neuron(
    model: nn.Module, x: Tensor, start: Tensor, layer: nn.Module | str, neuron: tuple[int, ...]
) -> Tensor:
    """What each input value adds to the change of one unit of a layer; ``x`` as inside ``untouched``."""

    def score(_, inner: Tensor) -> Tensor:
        try:
            return inner[(slice(None), *neuron)]
        except IndexError as error:
            raise LayerError(f"the layer puts out {tuple(inner.shape)}: there is no neuron {neuron}") from error

    multipliers, _, change = multiply(model, x, start, score, layer, of_inputs=True)
    found = multipliers * (x - start)
    _warn_of_gap(found.flatten(1).sum(1) - change, change, found, x.dtype)
    return found


def _score(outputs, _inner, *, target, rows: int) -> Tensor:
    return scores_of(outputs, target, rows)


def multiply(
    model: nn.Module,
    x: Tensor,
    start: Tensor,
    score: Callable[[object, Tensor | None], Tensor],
    layer: nn.Module | str | None = None,
    *,
    of_inputs: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The multipliers of the inputs, or of what a layer puts out, with the change of that and of the score.

    Args:
        x, start: ``(M, ...)``, the inputs and the baselines.
        score: called with the model's outputs and those of the layer, gives ``(M,)``.
        of_inputs: the multipliers of the inputs also where there is a layer.
    """
    refuse_what_hides_functions(model)
    name = None if layer is None else find_layer(model, layer)[0]

    def run(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        leaf = rows.detach().requires_grad_()
        with _nothing_computed_again(), captured(model, [name]) if name is not None else nullcontext({}) as inner:
            outputs = model(leaf.clone())
        units = inner[name] if inner else None
        return leaf if of_inputs or units is None else units, score(outputs, units)

    mode = Rescale()
    with same_random_numbers(x.device), mode:
        below, lower = run(start)
        below, lower = below.detach().clone(), lower.detach()
    mode.compare()
    with mode:
        above, upper = run(x)
    (multipliers,) = gradient_of(upper, [above])
    change = upper.detach().to(wide(x.dtype)) - lower.to(wide(x.dtype))
    return multipliers, above.detach() - below, change


@contextmanager
def _nothing_computed_again():
    """Refuse torch.utils.checkpoint: what it computes again on the way back would be without the rules."""
    told = "DeepLift can't follow a model that computes parts of itself again on the way back: switch checkpointing off"
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(told):
            yield
    except RuntimeError as error:
        if told not in str(error):
            raise
        raise NotDifferentiableError(told) from error


def _warn_of_gap(delta: Tensor, change: Tensor, maps: Tensor, dtype: torch.dtype) -> None:
    rounding = torch.finfo(dtype).eps ** 0.5 * maps.abs().flatten(1).sum(1)
    large = (delta.abs() > 0.01 * change.abs()) & (delta.abs() > rounding)
    if large.any():
        worst = (delta.abs() / change.abs())[large].max().item()
        warnings.warn(
            f"DeepLift misses completeness by up to {worst:.0%} of the change of the score in {int(large.sum())} of "
            f"{len(delta)} samples: a part of the model has no rule (softmax, layer normalisation, a recurrent cell, "
            "an autograd function of its own) and passes back its gradient",
            SalkitWarning,
            stacklevel=3,
        )
