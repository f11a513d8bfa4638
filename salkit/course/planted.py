"""Shortcuts planted after the fact, beside those that ``scenes`` draws by itself."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import torch

from ..data import ImageSet
from ..errors import InputError, require


def tint_objects(
    images: ImageSet, bias: float, *, strength: float = 0.35, counter: bool = False, seed: int = 0
) -> ImageSet:
    """Paint every object a little in the colour of a class: a shortcut that lies on the object itself.

    The colours stand evenly around the colour wheel, so that two classes have red and cyan.

    Args:
        images: with three channels and a mask ``"object"``.
        bias: probability that the colour is the class's own; otherwise it is that of any class, evenly. The dial of
            ``scenes(mark_bias=...)``, so 0 paints colours that mean nothing.
        strength: how opaque the paint is, 0 to 1.
        counter: the counter-stereotype: where the colour would be the class's own, it is that of another class.
        seed: of the draws. Another ``bias`` or ``counter`` changes only what it names.

    Returns:
        The same set with other pixels on the objects; masks and labels are shared with ``images``.

    Raises:
        InputError: no object masks, no colours, a single class, or a number out of range.

    Example:
        >>> from salkit import course, data
        >>> some = data.scenes(4, classes=["deer", "ship"])
        >>> tinted = course.tint_objects(some, 1.0)
        >>> changed = (tinted.images != some.images).any(1)
        >>> (changed & ~some.masks["object"]).any().item()
        False
    """
    masks = images.masks or {}
    if images.images.shape[1] != 3 or "object" not in masks:
        raise InputError("only images with three channels and a mask 'object' can have their objects painted")
    classes = len(images.classes)
    if classes < 2:
        raise InputError("a colour can follow the class only where there are two classes or more")
    for name, value in (("bias", bias), ("strength", strength)):
        require(name, value, 0 <= value <= 1, "a number between 0 and 1")
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(len(images), generator=generator)
    other, step = (torch.randint(low, classes, (len(images),), generator=generator) for low in (0, 1))
    labels = images.labels.cpu()
    own = (labels + step) % classes if counter else labels
    whose = torch.where(chance < bias, own, other)

    wheel = torch.tensor([colorsys.hsv_to_rgb(label / classes, 0.9, 1.0) for label in range(classes)]) * 255
    pixels = images.images.float()
    paint = wheel[whose].to(pixels.device)[:, :, None, None]
    painted = ((1 - strength) * pixels + strength * paint).round().to(torch.uint8)
    return replace(images, images=torch.where(masks["object"][:, None], painted, images.images))
