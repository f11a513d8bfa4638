"""The options of a stage: ``fit``'s, spelt so that a file can hold them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import nn

from ..._distributed import world
from ...attack import pgd
from ...data import ImageSet
from ...errors import InputError, require
from ..training import (
    Batches,
    History,
    LossDelta,
    Patience,
    augment,
    clipped,
    fit,
    moving_average,
    one_cycle,
    print_epoch,
    sgd,
)


def pgd_from_anywhere(model, images, labels):
    """Two steps of PGD within 8/255 from a new random start each time, in bfloat16 as the training step."""
    seed = int(torch.randint(2**31, ()))
    with torch.autocast(images.device.type, torch.bfloat16):
        return pgd(model, images, labels, eps=8 / 255, steps=2, step_size=6 / 255, seed=seed)


ATTACKS = {"pgd": pgd_from_anywhere}
"""Adversarial training, by its name in a recipe."""

_SPELT = {"optimizer": ("sgd", "adamw"), "schedule": ("one_cycle", "constant"), "attack": (None, *ATTACKS)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a network is trained, in numbers and words.

    Attributes:
        epochs, batch_size: as for ``fit`` and ``Batches``.
        lr: the peak learning rate of the one-cycle schedule, or the constant one.
        optimizer: ``"sgd"``, with Nesterov's momentum, or ``"adamw"`` (Loshchilov and Hutter 2019), which wants a
            smaller ``lr`` (about 0.001) and a larger ``weight_decay`` (about 0.05).
        momentum: of Nesterov, or the first beta of AdamW.
        weight_decay, label_smoothing: as usual.
        schedule: ``"one_cycle"`` or ``"constant"``.
        clip: scale the gradient down where its norm is larger than this.
        ema: keep this share of a moving average of the weights at each step, such as 0.999.
        shift: augmentation by flips and shifts up to so many pixels; ``None`` trains on the plain images.
        cutout: with ``shift``, also cover a square of so many pixels a side: see ``augment``.
        attack: a name in ``ATTACKS``: adversarial training.
        patience: stop when so many epochs in a row brought no better validation accuracy.
        loss_delta: stop when the training loss fell by less than this from one epoch to the next.
        mixed_precision: 16 bits where they will do; ``None``: on CUDA only.
        compile: run the network through ``torch.compile``; not under ``torchrun``.

    Raises:
        InputError: an option out of range.
    """

    epochs: int = 10
    lr: float = 0.05
    batch_size: int = 128
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.05
    schedule: str = "one_cycle"
    clip: float | None = None
    ema: float | None = None
    shift: int | None = 3
    cutout: int | None = None
    attack: str | None = None
    patience: int | None = None
    loss_delta: float | None = None
    mixed_precision: bool | None = None
    compile: bool = False

    def __post_init__(self):
        for name, known in _SPELT.items():
            words = " or ".join(repr(word) for word in known if word)
            require(name, getattr(self, name), getattr(self, name) in known, words)
        require("epochs", self.epochs, self.epochs >= 1, "at least 1")
        require("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        require("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "at least 0 and less than 1")
        if self.cutout is not None and self.shift is None:
            raise InputError("cutout needs a shift: give shift=0 for flips and covered squares alone")
        require("shift", self.shift, self.shift is None or self.shift >= 0, "0 or more")
        require("cutout", self.cutout, self.cutout is None or self.cutout >= 1, "at least 1")
        self._parts(nn.Linear(1, 1, device="meta"))  # these check the others

    def fit(
        self, model: nn.Module, train: ImageSet, val: ImageSet, *, seed=0, state=None, on_epoch_end=(print_epoch,)
    ) -> History:
        """``salkit.course.fit`` with these options; ``on_epoch_end`` is called before the stopping rules."""
        parts, rules = self._parts(model)
        changes = None if self.shift is None else partial(augment, shift=self.shift, cutout=self.cutout)
        return fit(
            cast(nn.Module, torch.compile(model)) if self.compile and world()[1] == 1 else model,
            Batches(train, self.batch_size, changes, seed),
            val,
            epochs=self.epochs,
            **parts,
            loss=nn.CrossEntropyLoss(label_smoothing=self.label_smoothing),
            attack=ATTACKS[self.attack] if self.attack else None,
            mixed_precision=self.mixed_precision,
            state=state,
            on_epoch_end=(*on_epoch_end, *rules),
        )

    def _parts(self, model: nn.Module) -> tuple[dict, list]:
        """The arguments of ``fit`` that depend on the model's weights, and the rules that may end it early."""
        # Also for AdamW, so that its numbers are checked and it is fused where that helps.
        optimizer = sgd(model, self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
        if self.optimizer == "adamw":
            optimizer = torch.optim.AdamW(
                model.parameters(), self.lr, betas=(self.momentum, 0.999), weight_decay=self.weight_decay,
                fused=optimizer.defaults["fused"],
            )  # fmt: skip
        if self.clip is not None:
            clipped(optimizer, self.clip)
        average = None if self.ema is None else moving_average(model, self.ema)
        rules: list[Patience | LossDelta] = [] if self.patience is None else [Patience(self.patience)]
        rules += [] if self.loss_delta is None else [LossDelta(self.loss_delta)]
        schedule = one_cycle if self.schedule == "one_cycle" else None
        return dict(optimizer=optimizer, schedule=schedule, average=average), rules
