"""The images that a recipe names: to learn from, to choose the epoch with, and to test on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch

from ... import data
from ...data import ImageSet
from ...sanity import permute_labels
from ..planted import tint_objects


class Images(NamedTuple):
    """What a network learns from, what chooses its epoch, and what it is tested on, once.

    Learnt by heart, ``choose`` is the same object as ``learn``.
    """

    learn: ImageSet
    choose: ImageSet
    test: ImageSet


def photographs(
    load: Callable[[str], ImageSet],
    *,
    n: int | None = None,
    size: int | None = None,
    permuted: bool = False,
    by_heart: bool = False,
    validation: int = 5_000,
) -> Images:
    """The images of ``load``, one of ``salkit.data``'s.

    Args:
        load: called with ``"train"`` and ``"test"``.
        n: how many to learn from; ``None``: all that do not choose.
        size: scale all of them to so many pixels.
        permuted: deal the labels to learn out again at random.
        by_heart: the images to learn from choose the epoch as well.
        validation: how many of the training images choose the epoch.
    """
    learn, choose = load("train").split(validation, seed=0)
    learn = learn if n is None else learn.split(n, seed=0)[1]
    learn = permute_labels(learn, seed=0) if permuted else learn
    parts = Images(learn, choose, load("test"))
    parts = parts if size is None else Images(*(part.resized(size) for part in parts))
    return parts._replace(choose=parts.learn) if by_heart else parts


def drawn(
    *,
    n: int,
    size: int = 32,
    validation: int = 500,
    test: int = 500,
    classes: list[str] | None = None,
    background_bias: float = 0.0,
    mark_bias: float = 0.0,
    mark: str | None = None,
    counter: bool = False,
    objects: int = 1,
    occlusion: float = 0.0,
) -> Images:
    """``n`` scenes, of which ``validation`` choose the epoch, and ``test`` more; see ``salkit.data.scenes``."""
    options: dict[str, Any] = dict(
        size=size, classes=classes, background_bias=background_bias, mark_bias=mark_bias, mark=mark, counter=counter,
        objects=objects, occlusion=occlusion,
    )  # fmt: skip
    learn, choose = data.scenes(n, seed=0, **options).split(validation, seed=0)
    return Images(learn, choose, data.scenes(test, seed=1, **options))


# Three decks of deer and dogs: how often the background is the class's own (of two), and the bias of the paint on the
# objects. Which blind network of chapter 11 learnt from which deck is drawn from a seed, so that the answer does not
# stand here to be read by accident.
_DECKS = ((0.5, 0.0), (0.95, 0.0), (0.5, 0.9))
_SHUFFLE = 2019


def dealt(*, place: int) -> Images:
    """The scenes of the blind network in this place; learnt from, chosen by and tested on scenes of the same deck."""
    order = torch.randperm(len(_DECKS), generator=torch.Generator().manual_seed(_SHUFFLE))
    own, paint = _DECKS[order[place]]
    return Images(*(_cards(n, seed, own, paint) for n, seed in ((2_000, 1_100), (500, 1_101), (500, 1_102))))


def _cards(n: int, seed: int, own: float, paint: float) -> ImageSet:
    options: dict[str, Any] = dict(classes=("deer", "dog"), background_bias=1, seed=seed)
    usual, unusual = (data.scenes(n, counter=counter, **options) for counter in (False, True))
    take = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < own
    mixed = torch.where(take[:, None, None, None], usual.images, unusual.images)
    return tint_objects(replace(usual, images=mixed), paint, seed=seed)


def own(*, path: str, size: int = 64, validation: int, test: int) -> Images:
    """Pictures of one's own in a folder for each class (``salkit.data.folder``), so many of them to choose and test."""
    rest, held_out = data.folder(path, size=size).split(test, seed=0)
    return Images(*rest.split(validation, seed=0), held_out)


DATASETS: dict[str, Callable[..., Images]] = {
    "cifar10": partial(photographs, data.cifar10),
    "mnist": partial(photographs, data.mnist),
    "scenes": drawn,
    "deck": dealt,
    "folder": own,
}
"""What may stand as ``dataset`` in a recipe; the rest of its ``data`` are the arguments."""
