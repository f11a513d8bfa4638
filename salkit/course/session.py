"""The set-up at the top of every chapter: profile, device, seed; and the images that this profile works on."""

from __future__ import annotations

import os
import platform
import random
import warnings
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from .. import __version__
from .._device import preferred_device
from ..data import ImageSet, cifar10, scenes
from ..errors import ProfileError, RecordError, require
from . import records

PROFILES = ("full", "fast")
SPLITS = ("train", "test")
FAST_IMAGES = {"train": 2000, "test": 500}
"""How many images the fast profile draws where the caller does not say."""
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """How this run is done.

    Attributes:
        profile: ``"full"`` (real data, real budgets) or ``"fast"`` (embedded data, a minute a chapter).
        device: where models and tensors go.
        seed: what torch, numpy and random were seeded with.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> run = course.Run("fast", torch.device("cpu"), 0)
        >>> run.pick(full=20, fast=2), len(run.images("test", n=10))
        (2, 10)
    """

    profile: str
    device: torch.device
    seed: int
    _recorded: set = field(default_factory=set, init=False, repr=False, compare=False)

    def pick(self, *, full: T, fast: T) -> T:
        """The value for this profile, so that a budget is visible where it is used."""
        return full if self.profile == "full" else fast

    def images(self, split: str, *, n: int | None = None, seed: int = 0) -> ImageSet:
        """CIFAR-10 in the full profile, Scenes in the fast one: ``(N, 3, 32, 32)`` images of the same ten classes.

        Args:
            split: ``"train"`` or ``"test"``.
            n: how many images, drawn evenly from the classes. ``None``: in full the whole split, in fast
                ``FAST_IMAGES``.
            seed: which images are drawn. Scenes of the two splits are drawn from different random numbers.

        Raises:
            InputError: an unknown split, or a larger ``n`` than there are images.
            DataUnavailableError, CorruptDataError: see ``salkit.data.cifar10``.
        """
        require("split", split, split in SPLITS, "'train' or 'test'")
        require("n", n, n is None or n >= 1, "at least 1")
        if self.profile == "fast":
            return scenes(n or FAST_IMAGES[split], seed=2 * seed + SPLITS.index(split))
        images = cifar10(split)
        if n is None or n == len(images):
            return images
        require("n", n, n < len(images), f"at most {len(images)}, the images of the {split} split")
        return images.split(n, seed=seed)[1]

    def record(self, key: str, /, *, unit: str = "", **values) -> None:
        """Keep results under a name, ``A1.accuracy``, in the notebook; nothing is shown.

        The text quotes them by these names, and its sentences are checked against them: see CONTRIBUTING.md. A cell
        that is run again records anew.

        Args:
            key: what begins the names: the number of the experiment, for example.
            unit: what ``n`` of the intervals counts: ``"images"``, ``"classes"``, ``"trainings"``.
            values: each an ``Interval`` (of ``mean_interval``, ``paired_difference``, ``course.proportion``), a
                number, a string, a bool, or a dictionary of such values by name.

        Raises:
            RecordError: a name that is no identifier, an interval without a unit, a value that is not finite or of
                another type, or a name that this cell has recorded already.
        """
        values = records.entries(key, values, unit)
        shell = records.shell()
        names = {(key, name, shell.execution_count if shell else None) for name in values}
        if twice := names & self._recorded:
            raise RecordError(f"{key}.{min(twice)[1]} was recorded before in this cell: each result needs its own name")
        self._recorded.update(names)
        records.keep(key, values, self.profile)


def start(seed: int = 0) -> Run:
    """Read the profile, pick the device, seed the random number generators, and print one line that says so.

    The profile comes from the environment variable ``SALKIT_PROFILE``: ``full`` (the default) or ``fast``.

    Raises:
        ProfileError: for any other profile.

    Example:
        >>> from salkit import course
        >>> run = course.start(seed=0)
        salkit ... | profile ... | device ... | seed 0 | ...
        >>> run.pick(full=20, fast=2) in (20, 2)
        True
    """
    profile = os.environ.get("SALKIT_PROFILE") or "full"
    if profile not in PROFILES:
        raise ProfileError(f"SALKIT_PROFILE must be 'full' or 'fast', not {profile!r}; unset it for 'full'")
    # captum says so at its import where ipywidgets are missing: of a progress bar that no chapter shows.
    warnings.filterwarnings("ignore", message="IProgress not found")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    run = Run(profile, preferred_device(), seed)
    print(
        f"salkit {__version__} | profile {profile} | device {run.device} | data {_data_source(profile)} | "
        f"seed {seed} | Python {platform.python_version()} | torch {torch.__version__}"
        + (" | the text quotes a full run: your numbers will differ" if profile == "fast" else "")
    )
    return run


def _data_source(profile: str) -> str:
    """Where data will be looked for, in words: a path would say more about the machine than about the run."""
    if profile == "fast":
        return "embedded"
    return "from $SALKIT_DATA, then cache or download" if os.environ.get("SALKIT_DATA") else "from cache or download"
