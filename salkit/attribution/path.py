"""Integrated gradients: the gradient, averaged on the way from a baseline to the input."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, SalkitWarning, require
from .core import (
    classes_of,
    copies,
    differentiate_with_scores,
    misses,
    repeat,
    rows_in_one_pass,
    slices,
    spread,
    warn_of_holes,
    wide,
    worst_share,
)

RULES = ("gauss_legendre", "midpoint", "trapezoid")


@overload
def integrated_gradients(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *,
    baseline: float | Tensor | Sequence[float | Tensor] = 0.0, n_steps: int = 50, rule: str = "gauss_legendre",
    return_delta: Literal[False] = False, batch_size: int | None = None,
) -> Tensor: ...  # fmt: skip
@overload
def integrated_gradients(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *,
    baseline: float | Tensor | Sequence[float | Tensor] = 0.0, n_steps: int = 50, rule: str = "gauss_legendre",
    return_delta: Literal[True], batch_size: int | None = None,
) -> tuple[Tensor, Tensor]: ...  # fmt: skip
def integrated_gradients(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    baseline: float | Tensor | Sequence[float | Tensor] = 0.0,
    n_steps: int = 50,
    rule: str = "gauss_legendre",
    return_delta: bool = False,
    batch_size: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The mean gradient on the straight line from a baseline, times the way (Sundararajan et al. 2017, eq. 1).

    .. math:: R_i = (x_i - x'_i) \int_0^1 \frac{\partial S_c(x' + a (x - x'))}{\partial x_i} \, da

    Expected gradients (Erion et al. 2021) are the same over many baselines, drawn from the data: a list of them gives
    the mean of their maps, ``baseline=list(images[:20])``, which adds up to the mean of the changes of the score.

    Completeness: the values of a map add up to :math:`S_c(x) - S_c(x')`, but for the error of the rule.

    Args:
        model, inputs, target: as for `gradient`. The class is chosen once, on the input.
        baseline: :math:`x'`, a number or a tensor that broadcasts to the inputs, in the inputs' units.
            A list or tuple of them: the mean of their maps, expected gradients.
        n_steps: points on each line, at least 2.
        rule: where the points lie and how they weigh: ``"gauss_legendre"``, ``"midpoint"``, or ``"trapezoid"``
            (its end points weigh half). The weights always sum to 1.
        return_delta: also return ``(N,)``: the sum of the map minus the difference of the scores.
        batch_size: points in one pass; ``None`` picks a number that suits the device.

    Returns:
        In the inputs' shape and dtype, signed, detached; with ``return_delta`` a pair.

    Raises:
        InputError, TargetError: see `gradient`; also an option out of range, or a baseline that doesn't fit.

    Warns:
        SalkitWarning: more than 10 % of the change of the score is missing from the sum: more steps are needed. Or a
            map holds NaN or infinity.

    Example:
        >>> import torch, salkit
        >>> # the score is x, but never above 1
        >>> model, x = torch.nn.Hardtanh(0, 1), torch.tensor([[2.0]])
        >>> salkit.gradient(model, x)  # it can't rise any more
        tensor([[0.]])
        >>> # from 0 to x it rose by 1
        >>> salkit.integrated_gradients(model, x)
        tensor([[1.]])
    """
    alphas, weights = points(rule, n_steps)
    # Both ends of the line go along without weight: the difference of their scores is what the map has to add up to.
    alphas, weights = torch.cat([alphas.new_tensor([0, 1]), alphas]), torch.cat([weights.new_zeros(2), weights])
    signs = torch.zeros_like(weights)
    signs[:2] = signs.new_tensor([-1, 1])
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        starts = _baselines(baseline, x)
        rows = rows_in_one_pass(x, batch_size)
        given, target = target, classes_of(model, x, target, rows)
        maps = torch.zeros_like(x, dtype=wide(x.dtype))
        change = torch.zeros(len(x), dtype=maps.dtype, device=x.device)
        ends = torch.zeros_like(change)
        first = given is not None
        for start in starts:
            for part in slices(len(x), rows):
                begin, way, mine = start[part], x[part] - start[part], targets.take(target, part)
                for which in copies(len(way), n_steps + 2, rows):
                    alpha, weight, sign = (t[which].to(x) for t in (alphas, weights, signs))
                    weight = weight.reshape(-1, *[1] * x.ndim)
                    on_the_line = (begin + alpha.reshape(weight.shape) * way).flatten(0, 1)
                    classes = repeat(mine, len(alpha))
                    found, scores = differentiate_with_scores(model, on_the_line, classes, first=first, whole=target)
                    first = False
                    found, scores = (t.to(maps.dtype).unflatten(0, (len(alpha), -1)) for t in (found, scores))
                    # An end may have no finite gradient, and 0 times infinity is not 0.
                    weighed = torch.where(weight == 0, 0, weight * found)
                    maps[part] += weighed.sum(0) * way / len(starts)
                    change[part] += sign.to(maps.dtype) @ scores / len(starts)
                    ends[part] += sign.to(maps.dtype).abs() @ scores.abs() / len(starts)
    delta = maps.flatten(1).sum(1) - change
    warn_of_holes(maps)
    large = misses(delta, change, maps, ends, inputs.dtype, 0.1)
    warn_of_gap("integrated gradients miss", large, delta, change, n_steps)
    maps = maps.to(inputs.dtype)
    return (maps, delta.to(inputs.dtype)) if return_delta else maps


def points(rule: str, n: int) -> tuple[Tensor, Tensor]:
    """Where on [0, 1] a rule looks, and its weights, which sum to 1: two ``(n,)`` float64 tensors.

    Raises:
        InputError: an unknown rule, or fewer than 2 points.
    """
    require("n_steps", n, isinstance(n, int) and not isinstance(n, bool) and n >= 2, "an int of at least 2")
    if rule == "gauss_legendre":
        places, weights = np.polynomial.legendre.leggauss(n)
        return torch.from_numpy((places + 1) / 2), torch.from_numpy(weights / 2)
    if rule == "midpoint":
        return (torch.arange(n, dtype=torch.float64) + 0.5) / n, torch.full((n,), 1 / n, dtype=torch.float64)
    if rule == "trapezoid":
        weights = torch.full((n,), 1 / (n - 1), dtype=torch.float64)
        weights[[0, -1]] /= 2
        return torch.linspace(0, 1, n, dtype=torch.float64), weights
    raise InputError(f"rule must be one of {', '.join(RULES)}, not {rule!r}")


def _baselines(baseline, x: Tensor) -> list[Tensor]:
    several = list(baseline) if isinstance(baseline, (list, tuple)) else [baseline]
    if not several:
        raise InputError("baseline is an empty list: pass at least one")
    return [spread(one, x) for one in several]


def warn_of_gap(what: str, large: Tensor, delta: Tensor, change: Tensor, n_steps: int, beside: str = "") -> None:
    if large.any():
        warnings.warn(
            f"{what} completeness by {worst_share(delta[large], change[large])} in {int(large.sum())} of {len(delta)} "
            f"samples: {beside}use more than n_steps={n_steps}",
            SalkitWarning,
            stacklevel=3,
        )
