"""Adversarial images: the smallest change that the gradient can find for the largest harm.

Images live in [0, 1], and so do the budgets: ``eps=8 / 255`` is eight grey levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import targets
from ._state import run, untouched
from .attribution.core import generator_of, gradient_of, slices
from .errors import InputError, TargetError, require

__all__ = ["Transfer", "fgsm", "pgd", "transfer_matrix"]

# How far outside of the bounds a value may lie, as for display: normalising and its inverse leave so much.
ROUNDING = 1e-4


def fgsm(
    model: nn.Module,
    inputs: Tensor,
    labels: int | Tensor | None = None,
    *,
    eps: float = 8 / 255,
    targeted: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int | None = None,
) -> Tensor:
    r"""One step along the sign of the gradient of the loss (Goodfellow et al. 2015, section 4).

    .. math:: x' = \operatorname{clip}(x + \varepsilon \operatorname{sign} \nabla_x L(x, y))

    with the cross-entropy :math:`L` on the logits; for a single logit the binary one, with the labels 0 and 1.

    Args:
        model: gives logits; it is run in evaluation mode and left as it was.
        inputs: ``(N, ...)``, floating point, inside ``bounds``; what rounding left outside is clipped.
        labels: the true classes, an int or ``(N,)``; ``None``: the predicted ones.
        eps: largest change of a value, in the inputs' units.
        targeted: ``labels`` are the classes to move to, instead of away from.
        bounds: smallest and largest value that the result may have.
        batch_size: samples in one pass; ``None``: all.

    Returns:
        The changed inputs, in their shape and dtype, detached. Where the gradient is zero nothing changes.

    Raises:
        InputError, TargetError: when the call makes no sense; ``labels`` can't be a callable.

    Example:
        >>> import torch
        >>> from salkit import attack
        >>> model, x = torch.nn.Linear(2, 2, bias=False), torch.tensor([[0.5, 0.5]])
        >>> model.weight.data = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        >>> attack.fgsm(model, x, 0, eps=0.1)  # away from class 0
        tensor([[0.4000, 0.6000]])
    """
    return _attack(model, inputs, labels, eps, eps, 1, None, targeted, bounds, batch_size)


def pgd(
    model: nn.Module,
    inputs: Tensor,
    labels: int | Tensor | None = None,
    *,
    eps: float = 8 / 255,
    steps: int = 10,
    step_size: float | None = None,
    seed: int | None = 0,
    targeted: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int | None = None,
) -> Tensor:
    """Projected gradient descent: many small steps, never further than ``eps`` (Madry et al. 2018, section 2.1).

    Args:
        model, inputs, labels, eps, targeted, bounds, batch_size: as for `fgsm`.
        steps: number of steps.
        step_size: of each; ``None``: ``2.5 * eps / steps``, as the paper's code.
        seed: of the random start inside the budget, the same for every sample; ``None``: start at the inputs.

    Result and errors are those of `fgsm`.

    Example:
        >>> import torch
        >>> from salkit import attack, course
        >>> model, image = course.HandWired(size=4), torch.full((1, 3, 4, 4), 0.5)
        >>> changed = attack.pgd(model, image, 1, eps=0.1, targeted=True)
        >>> round((changed - image).abs().max().item(), 4), model(changed).argmax().item()
        (0.1, 1)
    """
    require("steps", steps, isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1, "a positive int")
    if step_size is None:
        step_size = 2.5 * _number("eps", eps) / steps
    return _attack(model, inputs, labels, eps, step_size, steps, seed, targeted, bounds, batch_size)


def _attack(model, inputs, labels, eps, step_size, steps, seed, targeted, bounds, batch_size) -> Tensor:
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"bounds must be two numbers, the smallest and the largest value, not {bounds!r}") from error
    eps, step_size = _number("eps", eps), _number("step_size", step_size)
    if targeted and labels is None:
        raise TargetError("a targeted attack needs labels: the classes to move to")
    with untouched(model, inputs) as x:
        labels = targets.check(labels, len(x))
        if callable(labels):
            raise TargetError("labels must be classes, not a callable: the loss is the cross-entropy of a class")
        if x.min() < low - ROUNDING or x.max() > high + ROUNDING:
            raise InputError(f"inputs reach from {x.min():.3g} to {x.max():.3g}, outside of bounds={bounds}")
        done = []
        for rows in slices(len(x), batch_size):
            clean, moved = x[rows], x[rows].clone()
            if seed is not None:
                noise = torch.rand(x.shape[1:], generator=generator_of(seed)).to(x)
                moved = (moved + eps * (2 * noise - 1)).clamp(low, high)
            with torch.no_grad():
                classes = targets.predicted(run(model, clean.clone())) if labels is None else labels[rows]
            for step in range(steps):
                slope = _loss_gradient(model, moved, classes, labels, look=rows.start == step == 0)
                moved = moved + (-step_size if targeted else step_size) * slope.sign()
                moved = moved.clamp(clean - eps, clean + eps).clamp(low, high)
            done.append(moved)
        return torch.cat(done).detach()


def _number(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be a number, one for all values, not {value!r}") from error
    if not number >= 0:
        raise InputError(f"{name} must not be negative, not {value!r}")
    return number


def _loss_gradient(model: nn.Module, x: Tensor, classes: Tensor, all_labels: Tensor | None, look: bool) -> Tensor:
    leaf = x.detach().requires_grad_()
    outputs = run(model, leaf.clone())
    if look:
        targets.inspect(outputs, None)
        targets.check_range(outputs, all_labels)
    logits, classes = targets.logits(outputs), classes.to(x.device)
    if len(logits) != len(x):
        raise TargetError(f"the model returned {len(logits)} rows for {len(x)} samples")
    if targets.is_single(logits):
        loss = F.binary_cross_entropy_with_logits(logits.reshape(-1), classes.to(logits.dtype), reduction="sum")
    else:
        loss = F.cross_entropy(logits, classes, reduction="sum")
    return gradient_of(loss, [leaf])[0]


@dataclass(frozen=True, eq=False)
class Transfer:
    """Who falls for whose adversarial images.

    Attributes:
        names: of the ``M`` models.
        correct: ``(M, N)`` bool, which clean images each model gets right.
        fooled: ``(M, M, N)`` bool; ``fooled[i, j, n]``: image n was right for model j, and its version made on
            model i is wrong for model j.

    Example:
        >>> import torch
        >>> from salkit import attack
        >>> fooled = torch.tensor([[[True, True], [True, False]], [[False, False], [True, True]]])
        >>> correct = torch.ones(2, 2, dtype=torch.bool)
        >>> # of the images made on a, half fool b
        >>> attack.Transfer(("a", "b"), correct, fooled).rates
        tensor([[1.0000, 0.5000],
                [0.0000, 1.0000]])
    """

    names: tuple[str, ...]
    correct: Tensor
    fooled: Tensor

    @property
    def rates(self) -> Tensor:
        """``(M, M)``: the share of the images that model j got right which those made on model i turn wrong.

        NaN in the column of a model that got none right.
        """
        return self.fooled.sum(2) / self.correct.sum(1)


def transfer_matrix(
    models: Mapping[str, nn.Module],
    inputs: Tensor,
    labels: Tensor,
    *,
    attack: Callable[..., Tensor] = fgsm,
    batch_size: int | None = None,
    **options,
) -> Transfer:
    """Make adversarial images on each model, and try them on every model (Szegedy et al. 2014, section 4.2).

    Args:
        models: ``{name: model}``.
        inputs, labels: images and their true classes, ``(N,)``.
        attack: `fgsm`, `pgd`, or a function with their arguments.
        batch_size: samples in one pass; ``None``: all.
        options: for the attack, such as ``eps``.

    Raises:
        InputError: no models; and as the attack does.
        TargetError: labels that don't fit.

    Example:
        >>> from salkit import attack, course
        >>> models = {"small": course.HandWired(size=8), "large": course.HandWired(size=8, cap=0.4)}
        >>> images = course.colour_tiles(20, size=8)
        >>> labels = models["small"](images).argmax(1)
        >>> attack.transfer_matrix(models, images, labels, eps=0.2).rates
        tensor([[0.4500, 0.3500],
                [0.6000, 0.5500]])
    """
    if not models:
        raise InputError("transfer_matrix needs at least one model")
    true = targets.check(labels, len(inputs))
    if true is None or callable(true):
        raise TargetError("transfer_matrix needs the true classes as labels")
    correct = torch.stack([_predict(model, inputs, batch_size) == true for model in models.values()])
    fooled = []
    for source in models.values():
        moved = attack(source, inputs, true, batch_size=batch_size, **options)
        wrong = torch.stack([_predict(model, moved, batch_size) != true for model in models.values()])
        fooled.append(wrong & correct)
    return Transfer(tuple(models), correct, torch.stack(fooled))


def _predict(model: nn.Module, inputs: Tensor, batch_size: int | None) -> Tensor:
    with untouched(model, inputs) as x, torch.no_grad():
        return torch.cat([targets.predicted(run(model, rows.clone())) for rows in x.split(batch_size or len(x))]).cpu()
