"""The set-up at the top of every chapter: profile, device, seed."""

from __future__ import annotations

import os
import platform
import random
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from . import __version__
from .errors import ProfileError

PROFILES = ("full", "fast")
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """How this run is done.

    Attributes:
        profile: ``"full"`` (real data, real budgets) or ``"fast"`` (embedded data, a minute a chapter).
        device: where models and tensors go.
        seed: what torch, numpy and random were seeded with.
    """

    profile: str
    device: torch.device
    seed: int

    def pick(self, *, full: T, fast: T) -> T:
        """The value for this profile, so that a budget is visible where it is used."""
        return full if self.profile == "full" else fast


def start(seed: int = 0) -> Run:
    """Read the profile, pick the device, seed the random number generators, and print one line that says so.

    The profile comes from the environment variable ``SALKIT_PROFILE``: ``full`` (the default) or ``fast``.

    Raises:
        ProfileError: for any other profile.
    """
    profile = os.environ.get("SALKIT_PROFILE") or "full"
    if profile not in PROFILES:
        raise ProfileError(f"SALKIT_PROFILE must be 'full' or 'fast', not {profile!r}; unset it for 'full'")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    run = Run(profile, _device(), seed)
    print(
        f"salkit {__version__} | profile {profile} | device {run.device} | data {_data_source(profile)} | "
        f"seed {seed} | Python {platform.python_version()} | torch {torch.__version__}"
    )
    return run


def _device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _data_source(profile: str) -> str:
    """Where data will be looked for, in words: a path would say more about the machine than about the run."""
    if profile == "fast":
        return "embedded"
    return "from $SALKIT_DATA, then cache or download" if os.environ.get("SALKIT_DATA") else "from cache or download"
