"""What a result depends on beside the model and the data: versions, device, where data lies."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import distributions

import torch

from .. import __version__
from .._cache import cache_dir, data_dir
from .._device import preferred_device
from ..data import find_cifar10, find_mnist
from ..models import find_trained, trained_names

_PACKAGES = ("torch", "torchvision", "captum", "numpy", "scipy", "matplotlib", "scikit-image", "safetensors")


def facts() -> dict[str, dict]:
    """What ``salkit doctor`` shows, by heading; values are texts, lists of texts, or ``None`` for what isn't there."""
    folder, cache = data_dir(), cache_dir()
    set_to = None if folder is None else f"{folder}{'' if folder.is_dir() else ' (no such folder)'}"
    existing = next(place for place in (cache, *cache.parents) if place.exists())
    devices = {
        "cuda": lambda: f"GPU: {torch.cuda.get_device_name()}",
        "mps": lambda: "GPU: Apple's",
        "cpu": lambda: f"CPU, {torch.get_num_threads()} threads",
    }
    courses = {name if "-" in name else f"cifar10-{name}": find_trained(name) for name in trained_names()}
    return {
        "versions": {
            "salkit": __version__,
            "Python": platform.python_version(),
            **{name: version_of(name) for name in _PACKAGES},
        },
        "machine": {
            "system": platform.platform(terse=True),
            "device": devices[preferred_device().type](),
            "profile": os.environ.get("SALKIT_PROFILE") or "full",
        },
        "data": {
            "SALKIT_DATA": set_to,
            "cache": f"{cache}{'' if cache.is_dir() else ' (not made yet)'}",
            "free disk": f"{shutil.disk_usage(existing).free / 1e9:.1f} GB where the cache is",
            "CIFAR-10": str(find_cifar10() or "not found: salkit data get cifar10"),
            "MNIST": str(find_mnist() or "not found: salkit data get mnist"),
        },
        "networks": {
            "here": [name for name, file in courses.items() if file],
            "to fetch": [name for name, file in courses.items() if not file],
            "in SALKIT_DATA": sorted(file.stem for file in folder.glob("weights/*.safetensors")) if folder else [],
        },
    }


def version_of(package: str) -> str:
    return next((found.version for found in distributions(name=package)), "not installed")
