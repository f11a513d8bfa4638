"""Which device to work on, in one place."""

from __future__ import annotations

import os

import torch
from torch import nn

from .errors import InputError


def preferred_device() -> torch.device:
    """A CUDA GPU (under ``torchrun`` one for each process), else Apple's (MPS), else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_device(name: str | torch.device | None) -> torch.device:
    """The device of this name; ``None``, and ``"cuda"`` without a number, mean :func:`preferred_device`'s.

    Raises:
        InputError: there is no such device here.
    """
    try:
        device = preferred_device() if name is None else torch.device(name)
        if device == torch.device("cuda") and torch.cuda.is_available():
            device = preferred_device()
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # how torch says that there is no such device, or none of this kind
        raise InputError(f"the device {name!r} can't be used here: {str(error).splitlines()[0]}") from error
    return device


def device_of(model: nn.Module) -> torch.device:
    """Where the first of a model's weights or buffers lies; the CPU where it has none."""
    tensor = next((t for group in (model.parameters(), model.buffers()) for t in group), None)
    return torch.device("cpu") if tensor is None else tensor.device
