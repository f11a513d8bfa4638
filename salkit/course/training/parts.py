"""What one hands to `fit`: batches, optimizers, schedules, averages, and what happens after an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from ..._device import device_of
from ...data import ImageSet
from ...errors import InputError, require
from .augmentation import augment
from .history import History


@dataclass(frozen=True)
class Batches:
    """Images to learn from, in batches that are shuffled anew for each epoch.

    Attributes:
        images: the images and their labels.
        size: how many to a batch. A last batch of one image joins the one before, because batch normalisation can't
            learn from a single image.
        augment: ``augment(images, generator=generator)``, called with each batch, ``(n, C, H, W)`` uint8, and now with
            one image, to see whether it can be done; ``None`` leaves the images as they are.
        seed: of the order and of the augmentation.

    Raises:
        InputError: no images, a size below 1, or an augmentation that does not fit the images.

    Example:
        >>> import torch
        >>> from salkit import course, data
        >>> batches = course.Batches(data.scenes(11), size=5, augment=None)
        >>> [len(labels) for _, labels in batches.shuffled(torch.Generator().manual_seed(0))]
        [5, 6]
    """

    images: ImageSet
    size: int = 128
    augment: Callable[..., Tensor] | None = augment
    seed: int = 0

    def __post_init__(self):
        require("the size of a batch", self.size, self.size >= 1, "at least 1")
        if not len(self.images):
            raise InputError("there are no images to learn from")
        if self.augment is not None:
            self.augment(self.images.images[:1], generator=torch.Generator())

    def __len__(self) -> int:
        return len(self._split(torch.arange(len(self.images))))

    def shuffled(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: ``(n, C, H, W)`` uint8 and ``(n,)`` int64, where ``images`` is."""
        order = torch.randperm(len(self.images), generator=generator)
        for index in self._split(order.to(self.images.images.device)):
            images, labels = self.images.images[index], self.images.labels[index]
            yield (images if self.augment is None else self.augment(images, generator=generator)), labels

    def _split(self, order: Tensor) -> list[Tensor]:
        batches = list(order.split(self.size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches


def sgd(
    model: nn.Module, lr: float = 0.05, *, momentum: float = 0.9, weight_decay: float = 5e-4
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with Nesterov's momentum, the optimizer of this course.

    Raises:
        InputError: a number out of range.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> course.sgd(torch.nn.Linear(1, 1), lr=0.1).param_groups[0]["lr"]
        0.1
    """
    require("lr", lr, 0 < lr < math.inf, "positive")
    require("momentum", momentum, 0 <= momentum < 1, "at least 0 and less than 1")
    require("weight_decay", weight_decay, weight_decay >= 0, "0 or more")
    # Fused: one pass over the weights instead of one for each term of the rule.
    return torch.optim.SGD(
        model.parameters(), lr, momentum, weight_decay=weight_decay, nesterov=momentum > 0,
        fused=device_of(model).type in ("cpu", "cuda"),
    )  # fmt: skip


def clipped(optimizer: torch.optim.Optimizer, norm: float) -> torch.optim.Optimizer:
    """The same optimizer; before each step it scales the gradient down where its norm, over all weights, is larger.

    Raises:
        InputError: the norm is not positive.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> weight = torch.zeros(1, requires_grad=True)
        >>> weight.grad = torch.tensor([100.0])
        >>> course.clipped(torch.optim.SGD([weight], lr=1.0), norm=1.0).step()
        >>> weight.data
        tensor([-1.])
    """
    require("the norm to clip at", norm, 0 < norm < math.inf, "positive")

    def clip(optimizer, *_) -> None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], norm)

    optimizer.register_step_pre_hook(clip)
    optimizer.defaults["clip"] = norm  # where the state of a training looks for what it depends on
    return optimizer


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """The one-cycle schedule (Smith 2018): up to the optimizer's learning rate and down to zero.

    The momentum, or the first beta of AdamW, swings by 0.05 about its value, against the learning rate.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> optimizer = course.sgd(torch.nn.Linear(1, 1), lr=0.1)
        >>> schedule = course.one_cycle(optimizer, 10)
        >>> for step in range(3):
        ...     optimizer.step()
        ...     schedule.step()
        ...     print(round(optimizer.param_groups[0]["lr"], 3))
        0.042
        0.096
        0.098
    """
    group = optimizer.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else group["momentum"]
    swing = min(0.05, momentum, (1 - momentum) / 2)
    return OneCycleLR(
        optimizer,
        [each["lr"] for each in optimizer.param_groups],
        # One more than there are: the scheduler is asked once more after the last step.
        total_steps=steps + 1,
        base_momentum=round(momentum - swing, 12),
        max_momentum=round(momentum + swing, 12),
    )


def moving_average(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """An exponential moving average of the weights and buffers; ``decay`` is the share that each step keeps.

    In the first steps it keeps less, so that the first weights are soon forgotten.

    Raises:
        InputError: the decay is out of range.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> model = torch.nn.Linear(1, 1)
        >>> average = course.moving_average(model)
        >>> average.update_parameters(model)
        >>> torch.equal(average.module.weight, model.weight)
        True
    """
    require("the average's decay", decay, 0 <= decay < 1, "at least 0 and less than 1")
    return AveragedModel(model, multi_avg_fn=partial(_move_towards, decay=decay), use_buffers=True)


def _move_towards(old: Sequence[Tensor], new: Sequence[Tensor], steps: Tensor | int, *, decay: float) -> None:
    keep = min(decay, (int(steps) + 1) / (int(steps) + 10))
    for mine, other in zip(old, new):
        mine.lerp_(other, 1 - keep) if mine.is_floating_point() else mine.copy_(other)


@dataclass(frozen=True)
class Patience:
    """Stop when so many epochs in a row brought no better validation accuracy; for ``fit(on_epoch_end=...)``.

    Example:
        >>> from salkit import course
        >>> rows = [{"val_accuracy": 0.5}, {"val_accuracy": 0.4}, {"val_accuracy": 0.3}]
        >>> history = course.History(rows, best_epoch=1)
        >>> course.Patience(2)(None, history), course.Patience(3)(None, history)
        ('patience', None)
    """

    epochs: int

    def __post_init__(self):
        require("patience", self.epochs, self.epochs >= 1, "at least 1")

    def __call__(self, model: nn.Module, history: History) -> str | None:
        return "patience" if len(history) - history.best_epoch >= self.epochs else None


@dataclass(frozen=True)
class LossDelta:
    """Stop when the training loss fell by less than this from one epoch to the next; for ``fit(on_epoch_end=...)``.

    Example:
        >>> from salkit import course
        >>> history = course.History([{"train_loss": 1.0}, {"train_loss": 0.99}])
        >>> course.LossDelta(0.1)(None, history), course.LossDelta(0.001)(None, history)
        ('loss_delta', None)
    """

    delta: float

    def __post_init__(self):
        require("the loss's delta", self.delta, self.delta >= 0, "0 or more")

    def __call__(self, model: nn.Module, history: History) -> str | None:
        losses = history["train_loss"]
        return "loss_delta" if len(losses) > 1 and losses[-2] - losses[-1] < self.delta else None


def print_epoch(model: nn.Module, history: History) -> None:
    """A line on the epoch that has just ended; for ``fit(on_epoch_end=...)``.

    Example:
        >>> from salkit import course
        >>> row = {"epoch": 1, "train_loss": 0.693, "val_accuracy": 0.5, "seconds": 2.0}
        >>> course.print_epoch(None, course.History([row]))
        epoch 1: loss 0.693, validation 50.0%, 2 s
    """
    row = history.rows[-1]
    print(
        f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, validation {row['val_accuracy']:.1%}, "
        f"{row['seconds']:.0f} s",
        flush=True,
    )
