"""Scenes: an endless set of small pictures, drawn by code, in which the right answer of a saliency map is known.

Ten kinds of object, with the names of CIFAR-10's classes, stand before ten kinds of background. Every picture comes
with the exact mask of its object, of the object's parts, and of a planted mark. Two dials make it a laboratory: how
strongly the background follows the class, and how strongly a mark does.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import torch
from torch import Tensor

from ..._cache import cached
from ...errors import InputError, require
from ..imageset import ImageSet
from .backgrounds import BACKGROUNDS
from .drawing import BACKGROUND_OF, MARK, MARK_KINDS, Dials, render
from .objects import CLASSES, PARTS, PARTS_OF

__all__ = ["BACKGROUNDS", "BACKGROUND_OF", "CLASSES", "MARK_KINDS", "PARTS", "PARTS_OF", "scene_pairs", "scenes"]

VERSION = 1  # of the drawing: raise it with every change to a pixel, so that no old picture comes out of a cache
WORTH_CACHING = 2**20  # pixels: smaller sets are drawn in about a second


def scenes(
    n: int,
    *,
    size: int = 32,
    seed: int = 0,
    classes: Sequence[str] | None = None,
    background_bias: float = 0.0,
    mark_bias: float = 0.0,
    mark: str | None = None,
    counter: bool = False,
    objects: int = 1,
    occlusion: float = 0.0,
    noise: float = 0.01,
    cache: bool = True,
) -> ImageSet:
    """``n`` scenes, every class equally often.

    Scene ``i`` depends on ``seed``, ``i``, ``classes`` and ``objects`` alone: a longer set begins with the shorter
    one, another ``size`` shows the same scenes in another resolution, and a dial changes only what it names.

    Args:
        n: number of images.
        size: height and width in pixels, 16 or more.
        seed: another seed gives other scenes.
        classes: some of ``CLASSES``, in the order of the labels; ``None``: all ten.
        background_bias: probability that the background is the class's own (``BACKGROUND_OF``: snow for deer);
            otherwise it is any of the ten ``BACKGROUNDS``, evenly.
        mark_bias: probability that a planted mark is the class's own; otherwise it is that of any class, evenly.
        mark: ``"tag"``, a small tag anywhere in the picture; ``"corner"``, a square in the lower right corner;
            ``"cast"``, a tint over everything but the object. The mark of a class has a colour of its own, a tag
            also a pattern. ``None``: a tag when ``mark_bias`` is above 0, and no mark when it is 0.
            A kind together with ``mark_bias=0`` plants marks that follow nothing.
        counter: the counter-stereotype: where the background or mark would be the class's own, it is that
            of another one of ``classes``.
        objects: 1 to 9 objects of the class in each picture, smaller and side by side.
        occlusion: share of the object's pixels that a beam in front of it hides, 0 to 0.9. The beam counts as
            background.
        noise: standard deviation of the pixel noise, 0 to 0.5, where images are in [0, 1].
        cache: keep a set of more than about a thousand small images in the user's cache, so that the same call is
            quick the next time.

    Returns:
        Images ``(n, 3, size, size)``, and these ``masks``, ``(n, size, size)`` bool.

        - ``"object"``, ``"mark"`` and ``"background"``: every pixel is in exactly one of them. A pixel is the object's
          if the object covers any of it: outside the mask the picture would be the same without the object.
        - the parts of ``classes`` (``PARTS_OF``; ``"head"``, ``"wheels"``, ...), all false where an object has no such
          part: every pixel of the object is in exactly one, the one that covers most of it.
        - with ``objects`` above 1, ``"object_0"``, ``"object_1"``, ...: every pixel of the objects is in exactly one.

    Raises:
        InputError: when an argument has the wrong type or is out of range; before any drawing.

    Example:
        >>> from salkit import data
        >>> # every deer stands in the snow
        >>> some = data.scenes(20, background_bias=1.0)
        >>> some.images.shape, some.source
        (torch.Size([20, 3, 32, 32]), 'Scenes, drawn by salkit')
        >>> (some.masks["object"] & some.masks["background"]).any().item()
        False
    """
    recipe = _recipe(
        n, size, seed, classes, background_bias, mark_bias, mark, counter, objects, occlusion, noise, mixed=False
    )
    return _image_set(recipe, _pictures(recipe, cache), which=None)


def scene_pairs(
    n: int,
    *,
    size: int = 32,
    seed: int = 0,
    classes: Sequence[str] | None = None,
    background_bias: float = 0.0,
    mark_bias: float = 0.0,
    mark: str | None = None,
    counter: bool = False,
    occlusion: float = 0.0,
    noise: float = 0.01,
    cache: bool = True,
) -> tuple[ImageSet, ImageSet]:
    """``n`` scenes with two objects of different classes, left and right in random order.

    Returns two sets that share the same ``images``: labels and masks of the first belong to one object, those of the
    second to the other one. So a map for ``first.labels`` is scored on ``first.masks["object"]``, and may be scored
    on ``first.masks["other"]``. The parts are those of the set's own object; ``"object"``, ``"other"``, ``"mark"`` and
    ``"background"`` are disjoint and complete. Background and mark follow the class of the first object.

    The arguments and errors are those of `scenes`; ``classes`` has at least two names.

    Example:
        >>> import torch
        >>> from salkit import data
        >>> first, second = data.scene_pairs(4)
        >>> torch.equal(first.images, second.images)
        True
        >>> torch.equal(first.masks["object"], second.masks["other"])
        True
    """
    recipe = _recipe(n, size, seed, classes, background_bias, mark_bias, mark, counter, 2, occlusion, noise, mixed=True)
    pictures = _pictures(recipe, cache)
    return _image_set(recipe, pictures, which=0), _image_set(recipe, pictures, which=1)


def _image_set(recipe: Dials, pictures: dict[str, Tensor], which: int | None) -> ImageSet:
    """The pictures with labels and masks; ``which``: of one object of a pair, or ``None``: of all objects."""
    part, owner = pictures["part"], pictures["owner"]
    marked = part == MARK
    anything = (part > 0) & ~marked
    own = anything if which is None else anything & (owner == which)
    masks = {"object": own}
    if which is not None:
        masks["other"] = anything & ~own
    elif recipe.objects > 1:
        masks |= {f"object_{j}": anything & (owner == j) for j in range(recipe.objects)}
    for number, name in enumerate(PARTS, start=1):
        if any(name in PARTS_OF[c] for c in recipe.classes):
            masks[name] = own & (part == number)
    masks |= {"mark": marked, "background": part == 0}
    labels = pictures["labels"][:, which or 0].clone()
    return ImageSet(pictures["images"], labels, recipe.classes, masks, source="Scenes, drawn by salkit")


def _pictures(recipe: Dials, cache: bool) -> dict[str, Tensor]:
    """What ``render`` draws, as tensors; a set that takes more than a few seconds comes from the cache."""

    def make():
        return {name: torch.from_numpy(array) for name, array in render(recipe).items()}, {}

    if not cache or recipe.n * recipe.size**2 < WORTH_CACHING:
        return make()[0]
    return cached("scenes", f"version {VERSION} {recipe}", make)[0]


def _recipe(
    n, size, seed, classes, background_bias, mark_bias, mark, counter, objects, occlusion, noise, *, mixed
) -> Dials:
    for name, value, low, high in (
        ("n", n, 1, None), ("size", size, 16, None), ("seed", seed, 0, None), ("objects", objects, 1, 9),
    ):  # fmt: skip
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        bound = f"between {low} and {high}" if high else f"of at least {low}"
        require(name, value, whole and low <= value <= (high or value), f"a whole number {bound}")
    for name, value, high in (
        ("background_bias", background_bias, 1), ("mark_bias", mark_bias, 1),
        ("occlusion", occlusion, 0.9), ("noise", noise, 0.5),
    ):  # fmt: skip
        in_range = isinstance(value, numbers.Real) and 0 <= value <= high
        require(name, value, in_range, f"a number between 0 and {high}")
    require("mark", mark, mark in (None, *MARK_KINDS), f"one of {', '.join(map(repr, MARK_KINDS))} or None")
    classes = CLASSES if classes is None else classes
    listed = isinstance(classes, Sequence) and not isinstance(classes, str) and len(classes) > 0
    known = listed and all(name in CLASSES for name in classes)
    require("classes", classes, known, f"a list of names out of {', '.join(CLASSES)}")
    if len(set(classes)) < len(classes):
        raise InputError(f"classes must not name a class twice: {', '.join(classes)}")
    if (counter or mixed) and len(classes) < 2:
        raise InputError("counter=True and scene_pairs need at least two classes to choose another one from")
    if counter and not (background_bias or mark_bias):
        raise InputError("counter=True reverses background_bias or mark_bias: set one of them above 0")
    if mark is None and mark_bias > 0:
        mark = "tag"
    return Dials(
        n=int(n), size=int(size), seed=int(seed), classes=tuple(classes), background_bias=float(background_bias),
        mark_bias=float(mark_bias), mark=mark, counter=bool(counter), objects=int(objects),
        occlusion=float(occlusion), noise=float(noise), mixed=mixed,
    )  # fmt: skip
