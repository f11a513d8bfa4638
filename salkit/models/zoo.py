"""Networks that need no training: the course's own, and torchvision's for ImageNet."""

from __future__ import annotations

import contextlib
import difflib
import io
import socket
from importlib import resources
from pathlib import Path

import torch
from torch import nn

from .._cache import data_dir
from ..errors import CheckpointError, CorruptDataError, DataUnavailableError, InputError
from .checkpoint import load_checkpoint, load_weights, read_metadata
from .nets import Normalize

SILENCE = 15
"""Seconds without an answer, or without a byte, after which a download is given up."""


def trained_names() -> tuple[str, ...]:
    """The names that ``trained`` takes: ``"resnet18"`` learnt CIFAR-10, and ``"mnist-..."`` says what it learnt."""
    found = (file.name for file in _weights_folder().iterdir()) if _weights_folder().is_dir() else ()
    return tuple(
        sorted(
            name.removeprefix("cifar10-").removesuffix(".safetensors")
            for name in found
            if name.endswith(".safetensors")
        )
    )


def trained(name: str, device: str | torch.device = "cpu") -> nn.Module:
    """A network of the course, from the file in the package: no download, no training.

    It takes images in [0, 1], those of CIFAR-10, ``(N, 3, 32, 32)``, unless its name or its card says otherwise;
    its class names are in ``model.classes``.

    Raises:
        CheckpointError: there is no such network; the message lists those there are.
    """
    with resources.as_file(_shipped(name)) as path:
        return load_checkpoint(path, device)


def trained_metadata(name: str) -> dict:
    """How the network ``trained(name)`` was trained: see ``read_metadata``."""
    with resources.as_file(_shipped(name)) as path:
        return read_metadata(path)


def pretrained(name: str, device: str | torch.device = "cpu", *, download: bool = True) -> nn.Module:
    """A torchvision classifier trained on ImageNet, in evaluation mode.

    It takes ``(N, 3, H, W)`` images in [0, 1]: a ``Normalize`` with the network's own mean and standard deviation
    is its first layer (``model.normalize``, then ``model.net``). ``model.classes`` has the 1,000 class names, and
    ``model.size`` is the image size it was trained for.

    Args:
        name: torchvision's, such as ``"resnet18"`` or ``"mobilenet_v2"``.
        device: where to put it.
        download: ``False``: take only weights that are on this machine.

    Weights come from ``$SALKIT_DATA/weights/<name>.safetensors`` if it exists, else from torchvision's cache or
    its download, whose checksum is verified.

    Raises:
        InputError: torchvision has no classifier of this name.
        CheckpointError: the file is damaged or belongs to another network.
        DataUnavailableError: there is no file, and no network to download one or no leave to do so.
        CorruptDataError: the download had the wrong checksum.
    """
    weights = _default_weights(name)
    file = weights_file(name)
    # torchvision draws initial weights, which are replaced at once, from the global generator: leave that as it was.
    with torch.random.fork_rng(devices=[]):
        net = _from_file(name, file) if file and file.is_file() else _from_torchvision(name, weights, download)
    preset = weights.transforms()
    model = nn.Sequential()
    model.add_module("normalize", Normalize(preset.mean, preset.std))
    model.add_module("net", net)
    model.classes = imagenet_classes(name)
    model.size = preset.crop_size[0]
    return model.to(device).eval()


def imagenet_classes(name: str) -> tuple[str, ...]:
    """The class names of ``pretrained(name)`` in the order of its logits; needs no network.

    Raises:
        InputError: torchvision has no classifier of this name.
    """
    return tuple(_default_weights(name).meta["categories"])


def weights_file(name: str) -> Path | None:
    """Where ``pretrained`` looks first: ``$SALKIT_DATA/weights/<name>.safetensors``; ``None`` if that isn't set."""
    folder = data_dir()
    return folder / "weights" / f"{name}.safetensors" if folder else None


def _weights_folder():
    return Path(__file__).resolve().parents[2] / "weights"


def _shipped(name: str):
    names = trained_names()
    if name not in names:
        there = ", ".join(names) if names else "none"
        raise CheckpointError(f"no trained network {name!r} comes with this salkit; there are: {there}")
    return _weights_folder() / f"{name if '-' in name else f'cifar10-{name}'}.safetensors"


def _default_weights(name: str):
    """torchvision's recommended weights for the classifier ``name``."""
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
        raise InputError(f"torchvision has no classifier {name!r}; it has {', '.join(close)}, ...")
    return models.get_model_weights(name).DEFAULT


def _from_file(name: str, file: Path) -> nn.Module:
    from torchvision import models

    # The Inception family was trained with inputs in [-1, 1]; with this flag it converts to them by itself.
    kwargs = {"transform_input": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return load_weights(models.get_model(name, weights=None, **kwargs), file)


def _from_torchvision(name: str, weights, download: bool) -> nn.Module:
    from torchvision import models

    place = weights_file(name) or f"$SALKIT_DATA/weights/{name}.safetensors"
    remedy = f"put them as a safetensors file at {place}" + ("" if weights_file(name) else " and set SALKIT_DATA")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not download and not cached.is_file():
        raise DataUnavailableError(f"the weights of {name} are not on this machine: allow the download, or {remedy}")
    try:
        with _impatient():
            return models.get_model(name, weights=weights)
    except RuntimeError as error:
        if "invalid hash" not in str(error):
            raise
        raise CorruptDataError(f"the download of {weights.url} has the wrong checksum: try again") from error
    except OSError as error:  # URLError and timeouts are OSErrors
        raise DataUnavailableError(
            f"the weights of {name} could not be downloaded from {weights.url} ({error}). Without a network, {remedy}"
        ) from error


@contextlib.contextmanager
def _impatient():
    """A download by torch that does not wait for ever, and keeps the path of its cache to itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bar goes to stderr
            yield
    finally:
        socket.setdefaulttimeout(before)
