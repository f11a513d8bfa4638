"""What "the score" is: the one place that turns a target into a number for each sample.

A target is ``None`` (the predicted class of each sample), an int (one class for all), ``(N,)`` integers
(one class each), or a callable ``outputs -> (N,)`` for any other score. A callable may be given any number of
rows of the outputs at once, and scores each row by itself. The score of a class is its logit.
A single-logit head, ``(N, 1)`` or ``(N,)``, has the classes 1, its logit, and 0, the negated logit;
without a target its logit is the score.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from .errors import SalkitWarning, TargetError

Target = int | Tensor | Callable[..., Tensor] | None


def check(target: Target, n: int) -> Tensor | Callable | None:
    """What can be checked before the model runs.

    Args:
        target: see the top of this module.
        n: number of samples.

    Returns:
        ``None``, the callable, or the classes as ``(n,)`` int64 on the CPU.

    Raises:
        TargetError: wrong type, wrong length, or a negative class.
    """
    if target is None or callable(target):
        return target
    try:
        classes = torch.as_tensor(target).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TargetError(f"target must be None, an int, ({n},) integers, or a callable, not {target!r}") from error
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise TargetError(f"target classes must be integers, not {classes.dtype}")
    if classes.ndim and classes.shape != (n,):
        raise TargetError(
            f"target has the shape {tuple(classes.shape)}, but there are {n} samples: "
            f"pass one int for all, or ({n},) integers"
        )
    classes = classes.long().expand(n)
    if classes.min() < 0:
        raise TargetError(f"target classes start at 0, but the target holds {classes.min().item()}")
    return classes


def inspect(outputs, target: Tensor | Callable | None) -> None:
    """What can be checked once the first outputs are there: run it once a call, on whichever rows came first.

    Args:
        outputs: what the model returned.
        target: from ``check``, for all samples.

    Raises:
        TargetError: outputs that need a callable, or a class out of range.

    Warns:
        SalkitWarning: the outputs look like probabilities. Their gradient mixes in every other class.
    """
    if callable(target):
        return
    classes = count(outputs)
    if target is not None and target.max() >= classes:
        raise TargetError(
            f"target class {target.max().item()} is out of range: the model has the classes 0 .. {classes - 1}"
        )
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        rows = outputs.detach().float()
        rounding = 1e-2 if outputs.dtype.itemsize < 4 else 1e-4
        if (rows >= 0).all() and ((rows.sum(1) - 1).abs() < rounding).all():
            warnings.warn(
                "the outputs are non-negative and sum to 1, like a softmax: "
                "explain the logits before it, or pass a callable target to say that probabilities are meant",
                SalkitWarning,
                stacklevel=2,
            )


def score(outputs, target: Tensor | Callable | None = None) -> Tensor:
    """The score of each sample.

    Args:
        outputs: ``(N, K)`` logits, ``(N, 1)`` or ``(N,)`` for a single-logit head; anything for a callable.
        target: from ``check``, for just these samples.

    Returns:
        ``(N,)``, differentiable.

    Raises:
        TargetError: outputs that need a callable, or a callable that doesn't give one number for each sample.
    """
    if callable(target):
        result = target(outputs)
        if not isinstance(result, Tensor) or result.ndim != 1:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise TargetError(f"a callable target must return one score for each sample, shape (N,), not {got}")
        return result
    count(outputs)
    target = fix(outputs, target)
    if target is not None and len(target) != len(outputs):
        raise TargetError(f"the model returned {len(outputs)} rows for {len(target)} samples")
    if _single_logit(outputs):
        logit = outputs.reshape(-1)
        return logit if target is None else torch.where(target.to(logit.device) == 1, logit, -logit)
    return outputs.gather(1, target.to(outputs.device)[:, None])[:, 0]


def probability(outputs, target: Tensor | None = None) -> Tensor:
    """Like ``score``, but the probability of the class: softmax, or sigmoid for a single-logit head.

    Raises:
        TargetError: as ``score``, and for a callable, which already says what the score is.
    """
    if callable(target):
        raise TargetError("a callable target is already the score: compute the probability in it")
    count(outputs)
    if _single_logit(outputs):
        return score(outputs, target).sigmoid()
    return score(outputs.softmax(1), target)


def predicted(outputs: Tensor) -> Tensor:
    """The predicted class of each row, ``(N,)`` int64; for a single-logit head 1 where the logit is positive."""
    count(outputs)
    if _single_logit(outputs):
        return (outputs.detach().reshape(-1) > 0).long()
    return outputs.detach().argmax(1)


def count(outputs) -> int:
    """The number of classes of the outputs; 2 for a single-logit head.

    Raises:
        TargetError: tuples, dicts and dense outputs, which have no plain classes.
    """
    if not isinstance(outputs, Tensor):
        raise TargetError(
            f"the model returns a {type(outputs).__name__}: pass a callable target that makes (N,) scores of it"
        )
    if _single_logit(outputs):
        return 2
    if outputs.ndim != 2:
        raise TargetError(
            f"the model's outputs have the shape {tuple(outputs.shape)}: pass a callable target that "
            "reduces them to (N,) scores, for example lambda outputs: outputs[:, 3].mean((1, 2))"
        )
    return outputs.shape[1]


def take(target: Tensor | Callable | None, rows) -> Tensor | Callable | None:
    """The target of some samples: ``rows`` is a slice or a tensor of indices."""
    return target[rows] if isinstance(target, Tensor) else target


def fix(outputs, target: Tensor | Callable | None) -> Tensor | Callable | None:
    """``None`` replaced by the classes that these outputs predict, so that changed inputs are scored by the same.

    A single-logit head keeps ``None``: its logit is the score whatever it predicts.
    """
    if target is not None:
        return target
    classes = predicted(outputs)
    return None if _single_logit(outputs) else classes.cpu()


def _single_logit(outputs: Tensor) -> bool:
    return outputs.ndim == 1 or (outputs.ndim == 2 and outputs.shape[1] == 1)
