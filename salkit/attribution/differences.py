"""DeepLift: what each input value, unit or place adds to the change of a score from a baseline."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from typing import Literal, overload

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, NotDifferentiableError, SalkitWarning
from .core import (
    call,
    captured,
    find_layer,
    first_look,
    gradient_of,
    misses,
    scores_of,
    slices,
    spread,
    warn_of_holes,
    wide,
    worst_share,
)
from .rescale import Rescale, refuse_what_hides_functions


@overload
def deeplift(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *,
    baseline: float | Tensor = 0.0,
    return_delta: Literal[False] = False, batch_size: int | None = None,
) -> Tensor: ...  # fmt: skip
@overload
def deeplift(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *,
    baseline: float | Tensor = 0.0,
    return_delta: Literal[True], batch_size: int | None = None,
) -> tuple[Tensor, Tensor]: ...  # fmt: skip
def deeplift(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    baseline: float | Tensor = 0.0,
    return_delta: bool = False,
    batch_size: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""DeepLift with the Rescale rule (Shrikumar et al. 2017, section 3.5.2).

    .. math:: R_i = m_i \, (x_i - x'_i), \qquad \sum_i R_i = S_c(x) - S_c(x')

    :math:`m_i` is the gradient in which each non-linearity has its slope between the input :math:`x` and the baseline
    :math:`x'` in place of its derivative. The rule holds where the function is called: for a module, ``F.gelu(x)``,
    ``x.relu_()``, used once or many times, with a skip connection that branches off before it. Max pools have
    DeepLift's own rule, products of two values that depend on the input that of their mean factors.

    Args:
        model, inputs, target, batch_size: as for `gradient`.
        baseline: :math:`x'`, a number or a tensor that broadcasts to the inputs, in the inputs' units.
        return_delta: also return ``(N,)``: the sum of the map minus the difference of the scores.

    Returns:
        In the inputs' shape and dtype, signed, detached; with ``return_delta`` a pair.

    Raises:
        InputError, TargetError: see `gradient`; also a baseline that doesn't fit.
        NotDifferentiableError: the model hides its functions (TorchScript, export, checkpointing), or takes other
            steps on the baseline than on the input.

    Warns:
        SalkitWarning: more than 1 % of the change of the score is missing from the sum, because a part of the model
            (softmax, layer normalisation, a recurrent cell) has no rule and passes back its gradient. Or a map holds
            NaN or infinity.

    Example:
        >>> import torch, salkit
        >>> # the score is x, but never above 1
        >>> model, x = torch.nn.Hardtanh(0, 1), torch.tensor([[2.0]])
        >>> salkit.gradient(model, x)  # it can't rise any more
        tensor([[0.]])
        >>> salkit.deeplift(model, x)  # from 0 to x it rose by 1
        tensor([[1.]])
    """
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        starts = spread(baseline, x)
        classes, _ = first_look(model, x, target, batch_size)
        maps, told = [], []
        for rows in slices(len(x), batch_size):
            found, *more = contributions(model, x[rows], starts[rows], targets.take(classes, rows))
            maps.append(found)
            told.append(more)
    found, (change, delta, ends) = torch.cat(maps), map(torch.cat, zip(*told))
    warn_of_gap(delta, change, found, ends, inputs.dtype)
    found = found.to(inputs.dtype)
    return (found, delta.to(inputs.dtype)) if return_delta else found


def contributions(
    model: nn.Module, x: Tensor, start: Tensor, target, layer: nn.Module | str | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What each input value, or each unit of a layer, adds to the change of the score.

    Args:
        x, start, target: of ``M`` rows, the inputs, the baselines and what is explained, as inside ``untouched``.

    Returns:
        The contributions, the change of the score ``(M,)``, what is missing from it ``(M,)``: their sum, together
        with what reaches the score past the layer, minus the change; and the two absolute scores, added ``(M,)``.
    """
    refuse_what_hides_functions(model)
    name = None if layer is None else find_layer(model, layer)[0]

    def run(rows: Tensor) -> tuple[list[Tensor], Tensor]:
        leaf = rows.detach().requires_grad_()
        hooks = nullcontext({}) if name is None else captured(model, [name], cut=True)
        with _nothing_computed_again(), hooks as inner:
            outputs = call(model, leaf)
        return [*inner.values(), leaf], scores_of(outputs, target, len(rows))

    mode = Rescale()
    # What is drawn on the way is drawn again in the second run.
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []), mode:
        below, lower = run(start)
        below = [leaf.detach().clone() for leaf in below]
    mode.compare()
    with mode:
        above, upper = run(x)
    upper_, lower_ = (score.detach().to(wide(x.dtype)) for score in (upper, lower))
    change = upper_ - lower_
    multipliers = gradient_of(upper, above)
    parts = [m.to(change.dtype) * (leaf.detach() - start) for m, leaf, start in zip(multipliers, above, below)]
    delta = sum(part.flatten(1).sum(1) for part in parts) - change
    return parts[0], change, delta, upper_.abs() + lower_.abs()


@contextmanager
def _nothing_computed_again():
    """Refuse torch.utils.checkpoint: what it computes again on the way back would be without the rules."""
    told = "DeepLift can't follow a model that computes parts of itself again on the way back: switch checkpointing off"
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(told):
            yield
    except InputError as error:  # as what the model raised is told
        if told not in str(error):
            raise
        raise NotDifferentiableError(told) from error


def warn_of_gap(delta: Tensor, change: Tensor, maps: Tensor, ends: Tensor, dtype: torch.dtype) -> None:
    warn_of_holes(maps)
    large = misses(delta, change, maps, ends, dtype, 0.01)
    if large.any():
        warnings.warn(
            f"DeepLift misses completeness by {worst_share(delta[large], change[large])} in {int(large.sum())} of "
            f"{len(delta)} samples: a part of the model has no rule (softmax, layer normalisation, a recurrent cell, "
            "an autograd function of its own) and passes back its gradient",
            SalkitWarning,
            stacklevel=3,
        )
