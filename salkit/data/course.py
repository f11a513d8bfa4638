"""The images a chapter works on, real or drawn, whichever the profile asks for."""

from __future__ import annotations

from ..errors import InputError
from .cifar import SPLITS, cifar10
from .imageset import ImageSet

FAST_IMAGES = {"train": 2000, "test": 500}
"""How many images the fast profile draws where the caller does not say."""


def for_course(split: str, *, profile: str, n: int | None = None, seed: int = 0) -> ImageSet:
    """CIFAR-10 in the full profile, Scenes in the fast one: ``(N, 3, 32, 32)`` images of the same ten classes.

    Args:
        split: ``"train"`` or ``"test"``.
        profile: ``"full"`` or ``"fast"``, as in ``run.profile``.
        n: how many images, drawn evenly from the classes. ``None``: in full the whole split, in fast
            ``FAST_IMAGES``.
        seed: which images are drawn. Scenes of the two splits are drawn from different random numbers.

    Raises:
        InputError: an unknown split or profile, or a larger ``n`` than there are images.
        DataUnavailableError, CorruptDataError: see ``cifar10``.
    """
    if split not in SPLITS:
        raise InputError(f"split must be 'train' or 'test', not {split!r}")
    if n is not None and n < 1:
        raise InputError(f"n must be at least 1, not {n}")
    if profile == "fast":
        from . import scenes

        return scenes(n or FAST_IMAGES[split], seed=2 * seed + SPLITS.index(split))
    if profile != "full":
        raise InputError(f"profile must be 'full' or 'fast', not {profile!r}")
    images = cifar10(split)
    if n is None or n == len(images):
        return images
    if n > len(images):
        raise InputError(f"n must be at most {len(images)}, the images of the {split} split, not {n}")
    return images.split(n, seed=seed)[1]
