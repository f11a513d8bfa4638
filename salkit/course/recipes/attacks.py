"""Adversarial training, by its name in a recipe."""

from __future__ import annotations

import torch

from ...attack import pgd


def pgd_from_anywhere(model, images, labels):
    """Two steps of PGD within 8/255 from a new random start each time, in bfloat16 as the training step."""
    seed = int(torch.randint(2**31, ()))
    with torch.autocast(images.device.type, torch.bfloat16):
        return pgd(model, images, labels, eps=8 / 255, steps=2, step_size=6 / 255, seed=seed)


ATTACKS = {"pgd": pgd_from_anywhere}
