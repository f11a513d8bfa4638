"""The trials that ``salkit compare`` puts methods through: drawn scenes, where the right answer is known."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .. import evaluation
from .._device import device_of
from ..attribution import METHODS
from ..data import CIFAR10_CLASSES, ImageSet, scenes
from ..errors import InputError
from ..evaluation import by_deletion, by_insertion, on_mask
from ..reporting import CONTROLS, METHODS_SHOWN
from ..reporting.subjects import check_methods

SCORES = {
    "mass": on_mask(evaluation.relevance_mass),
    "rank": on_mask(evaluation.relevance_rank),
    "hit": on_mask(evaluation.pointing_game),
    "auc": on_mask(evaluation.mask_auc),
    "deletion": by_deletion(),
    "insertion": by_insertion(),
}
"""How well a map finds the object, by four scores, and how the network's score follows it, by two."""


def on_scenes(
    model: nn.Module, n: int = 100, *, size: int = 32, seed: int = 2, methods: Sequence[str] | None = None
) -> tuple[ImageSet, dict, dict]:
    """``n`` scenes of the classes that the model knows, and methods that apply to it, by all ``SCORES``.

    Args:
        model: takes images in [0, 1]; its ``classes`` are names that Scenes draws.
        n, size, seed: of the scenes, see ``salkit.data.scenes``.
        methods: names in ``METHODS``; ``None``: those that a report shows, as far as they apply, and the two controls.

    Returns:
        What ``salkit.compare`` takes beside the model, in the same order: the data, the methods and the scores.

    Raises:
        InputError: a model with other classes, or a name that is no method.
    """
    names = tuple(getattr(model, "classes", None) or ())
    if not names or not set(names) <= set(CIFAR10_CLASSES):
        raise InputError(
            f"the network doesn't know the classes that Scenes draws ({', '.join(CIFAR10_CLASSES)}): "
            "give such a network, or call salkit.compare with images and masks of your own"
        )
    check_methods(methods or ())
    data = scenes(n, size=size, seed=seed, classes=names)
    if methods is None:
        image = data[:1].pixels().to(device_of(model))
        methods = [name for name in (*METHODS_SHOWN, *CONTROLS) if not METHODS[name].why_not(model, image)]
    return data, {name: METHODS[name] for name in methods}, SCORES
