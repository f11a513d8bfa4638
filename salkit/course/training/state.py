"""A training in the middle of its way, as a file: what ``fit`` needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ..._cache import replacing
from ...data import ImageSet
from ...errors import CheckpointError

FORMAT = 1


def describe(model: nn.Module, train: ImageSet, val: ImageSet, options: Mapping) -> dict[str, str]:
    """Everything that the result depends on beside the first weights, in words by name."""
    network = hashlib.sha256(str(model).encode()).hexdigest()
    parts = {"network": network, "training images": train.digest(), "validation images": val.digest()}
    return {**parts, **{name: _in_words(value) for name, value in options.items()}}


def _in_words(option) -> str:
    # Not repr of a function: that has its address, which is another one each time.
    if isinstance(option, partial):
        return f"{_in_words(option.func)} {option.args} {option.keywords}"
    if isinstance(option, nn.Module):  # a loss: its repr is silent about smoothing
        plain = {name: value for name, value in vars(option).items() if isinstance(value, (int, float, str))}
        return f"{option} {plain}"
    if not callable(option):
        return repr(option)
    return getattr(option, "__qualname__", type(option).__qualname__)


def write_state(path: Path, identity: dict[str, str], state: dict) -> None:
    """Write the file whole: a reader finds the state before or the new one, never half of one."""
    with replacing(path) as temporary:
        torch.save({"format": FORMAT, "identity": identity, **state}, temporary)


def read_state(path: Path, identity: dict[str, str]) -> dict | None:
    """What ``write_state`` wrote for the same training, its tensors on the CPU; ``None`` if there is no file.

    Raises:
        CheckpointError: the file is damaged, or belongs to another training.
    """
    if not path.exists():
        return None
    remedy = "delete it to begin anew, or give another file"
    try:
        # Tensors, numbers and words only: such a file can't run code.
        state = torch.load(path, map_location="cpu", weights_only=True)
        written = state["identity"]
        readable = state["format"] == FORMAT
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged, or no state of a training: {remedy}") from error
    if not readable:
        raise CheckpointError(f"{path} was written by another version of salkit: {remedy}")
    names = [name for name in {**written, **identity} if written.get(name) != identity.get(name)]
    if names:
        differences = ", ".join(_difference(name, written.get(name), identity.get(name)) for name in names)
        raise CheckpointError(f"{path} belongs to another training ({differences}): {remedy}, or the options as before")
    return state


def _difference(name: str, there: str | None, here: str | None) -> str:
    if there is None or here is None or max(len(there), len(here)) > 40:
        return f"other {name}"
    return f"{name} was {there} and is {here}"
