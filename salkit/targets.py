"""What "the score" is: the one place that turns a target into a number for each sample.

A target is ``None`` (the predicted class of each sample), an int (one class for all), ``(N,)`` integers
(one class each), or a callable ``outputs -> (N,)`` for any other score. A callable may be given any number of
rows of the outputs at once, and scores each row by itself. The score of a class is its logit.

A model with a single output, ``(N, 1)`` or ``(N,)``, takes no class: ``None`` is the output as it is, and `against`
its negation. Outputs with ``.logits``, as an attribute or an entry (Hugging Face's are both), stand for these logits;
only a callable gets the outputs as the model returns them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from ._state import FAILURES, is_finite
from .errors import SalkitError, SalkitWarning, TargetError

Target = int | Tensor | Callable[..., Tensor] | None

# The rest is for those who write a method.
__all__ = ["Target", "against", "count", "is_single", "logits", "predicted", "probability", "score"]


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
    if type(target) is int and 0 <= target < 2**63:  # the usual case, and the quickest
        return torch.full((n,), target)
    try:
        classes = torch.as_tensor(int(target) if isinstance(target, np.integer) else target).detach().cpu()
        classes = classes.to_dense() if classes.layout != torch.strided else classes
        classes = classes.clone() if classes.is_inference() else classes
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
        TargetError: outputs that need a callable, a class out of range, or any class of a single output.

    Warns:
        SalkitWarning: the outputs look like probabilities, whose gradient mixes in every other class; or they hold
            NaN or infinity.
    """
    if callable(target):
        return
    outputs = logits(outputs)
    _refuse_class_of_single(outputs, target)
    check_range(outputs, target)
    if not is_finite(outputs):
        warnings.warn(
            "the model's outputs hold NaN or infinity, so what explains them means nothing: look for the cause in "
            "the model, or use a wider dtype",
            SalkitWarning,
            stacklevel=2,
        )
    if not is_single(outputs) and sum_to_one(outputs):
        warnings.warn(
            "the outputs are non-negative and sum to 1, like a softmax: "
            "explain the logits before it, or pass a callable target to say that probabilities are meant",
            SalkitWarning,
            stacklevel=2,
        )


def sum_to_one(outputs: Tensor) -> bool:
    """Whether all rows ``(N, K)`` are those of a softmax, as far as they can be told from logits."""
    rows = outputs.detach().float()
    rounding = 1e-2 if outputs.dtype.itemsize < 4 else 1e-4
    return bool((rows >= 0).all() and ((rows.sum(1) - 1).abs() < rounding).all())


def check_range(outputs, classes: Tensor | None) -> None:
    """Whether the model has these classes; the labels 0 and 1 fit a single logit.

    Raises:
        TargetError: outputs without plain classes, or a class out of range.
    """
    number = count(outputs)
    if classes is not None and classes.max() >= number:
        raise TargetError(
            f"target class {classes.max().item()} is out of range: the model has the classes 0 .. {number - 1}"
        )


def score(outputs, target: Tensor | Callable | None = None) -> Tensor:
    """The score of each sample.

    Args:
        outputs: ``(N, K)`` logits, ``(N, 1)`` or ``(N,)`` for a single output, or what carries them as ``.logits``;
            anything for a callable.
        target: ``None`` for the predicted classes, ``(N,)`` int64 classes, or a callable.

    Returns:
        ``(N,)``, differentiable.

    Raises:
        TargetError: outputs that need a callable, a callable that fails or doesn't give one number for each sample,
            or a class of a single output.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> logits = torch.tensor([[1.0, 2.0], [5.0, 0.0]])
        >>> targets.score(logits), targets.score(logits, torch.tensor([0, 0]))
        (tensor([2., 5.]), tensor([1., 5.]))
    """
    if callable(target):
        try:
            result = target(outputs)
        except (SalkitError, torch.OutOfMemoryError):
            raise
        except FAILURES as error:
            got = f" {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f", a {type(outputs).__name__}"
            raise TargetError(
                f"the callable target fails on the outputs{got} with {type(error).__name__}: {error}"
            ) from error
        if not isinstance(result, Tensor) or result.ndim != 1:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise TargetError(f"a callable target must return one score for each sample, shape (N,), not {got}")
        if result.dtype == torch.bool or result.is_complex():
            raise TargetError(f"a callable target must return real numbers, not {result.dtype}: .float(), or .abs()")
        return result
    outputs = logits(outputs)
    _refuse_class_of_single(outputs, target)
    if is_single(outputs):
        return outputs.reshape(-1)
    classes = predicted(outputs) if target is None else target
    if len(classes) != len(outputs):
        raise TargetError(f"the model returned {len(outputs)} rows for {len(classes)} samples")
    return outputs.gather(1, classes.to(outputs.device)[:, None])[:, 0]


def against(outputs) -> Tensor:
    """The target that speaks against the one thing that a single-output model says: its negated output, ``(N,)``.

    Raises:
        TargetError: the model has more outputs than one, among which a class can be chosen.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> model.weight.data = torch.tensor([[3.0, -1.0]])
        >>> # what speaks for "no"
        >>> salkit.gradient(model, torch.ones(1, 2), salkit.targets.against)
        tensor([[-3.,  1.]])
    """
    if not is_single(logits(outputs)):
        raise TargetError("targets.against is for models with a single output: pass the class that you mean")
    return -score(outputs)


def probability(outputs, target: Tensor | None = None) -> Tensor:
    """Like `score`, but the probability of the class: softmax, or sigmoid for a single output.

    Raises:
        TargetError: as `score`, and for a callable but `against`, which already says what the score is.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> targets.probability(torch.tensor([[0.0, 0.0], [5.0, 0.0]]))
        tensor([0.5000, 0.9933])
        >>> targets.probability(torch.tensor([[0.0]]))  # a single logit
        tensor([0.5000])
    """
    if callable(target) and target is not against:
        raise TargetError("a callable target is already the score: compute the probability in it")
    outputs = logits(outputs)
    if is_single(outputs):
        return score(outputs, target).sigmoid()
    return score(outputs.softmax(1), target)


def predicted(outputs) -> Tensor:
    """The predicted class of each row, ``(N,)`` int64; for a single logit 1 where it is positive.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> targets.predicted(torch.tensor([[1.0, 2.0], [5.0, 0.0]]))
        tensor([1, 0])
        >>> # a single logit
        >>> targets.predicted(torch.tensor([[-1.0], [0.3]]))
        tensor([0, 1])
    """
    outputs = logits(outputs).detach()
    return (outputs.reshape(-1) > 0).long() if is_single(outputs) else outputs.argmax(1)


def count(outputs) -> int:
    """The number of classes of the outputs; 2 for a single logit.

    Raises:
        TargetError: as `logits`.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> targets.count(torch.zeros(8, 10)), targets.count(torch.zeros(8, 1))
        (10, 2)
    """
    outputs = logits(outputs)
    return 2 if is_single(outputs) else outputs.shape[1]


def logits(outputs) -> Tensor:
    """The tensor with the plain classes: the outputs, or their ``.logits``. ``(N, K)``, ``(N, 1)`` or ``(N,)``.

    Raises:
        TargetError: other tuples and dicts, outputs that aren't real floating numbers, and dense outputs, which have
            no plain classes.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> targets.logits({"logits": torch.tensor([[1.0, 2.0]]), "hidden_states": None})
        tensor([[1., 2.]])
    """
    found = outputs["logits"] if isinstance(outputs, Mapping) and "logits" in outputs else outputs
    found = found if isinstance(found, Tensor) else getattr(found, "logits", found)
    if not isinstance(found, Tensor):
        raise TargetError(
            f"the model returns a {type(outputs).__name__}: pass a callable target that makes (N,) scores of it"
        )
    if not found.is_floating_point():
        raise TargetError(f"the model returns {found.dtype}, not logits: explain the model before that last step")
    if found.ndim not in (1, 2):
        raise TargetError(
            f"the model's outputs have the shape {tuple(found.shape)}: pass a callable target that "
            "reduces them to (N,) scores, for example lambda outputs: outputs[:, 3].mean((1, 2))"
        )
    return found


def is_single(logits: Tensor) -> bool:
    """Whether there is one output for each sample, not one for each class.

    Example:
        >>> import torch
        >>> from salkit import targets
        >>> targets.is_single(torch.zeros(8, 10)), targets.is_single(torch.zeros(8, 1))
        (False, True)
    """
    return logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1)


def take(target: Tensor | Callable | None, rows) -> Tensor | Callable | None:
    """The target of some samples: ``rows`` is a slice or a tensor of indices."""
    return target[rows] if isinstance(target, Tensor) else target


def fix(outputs, target: Tensor | Callable | None) -> Tensor | Callable | None:
    """``None`` replaced by the classes that these outputs predict, so that changed inputs are scored by the same.

    A single output keeps ``None``: it is the score whatever it predicts.
    """
    if target is not None:
        return target
    return None if is_single(logits(outputs)) else predicted(outputs).cpu()


def _refuse_class_of_single(outputs: Tensor, target: Tensor | None) -> None:
    if target is not None and is_single(outputs):
        raise TargetError(
            f"the model has a single output, {tuple(outputs.shape)}, so there is no class to choose: pass target=None "
            "for the output as it is, or salkit.targets.against for its negation"
        )
