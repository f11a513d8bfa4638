"""What a report, or an explanation, is about: a network by its name, and pictures from files."""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from .._device import device_of
from .._state import digest
from ..attribution import METHODS
from ..data import ImageSet, middle_square, read_photo
from ..data.photos import SUFFIXES, pictures_among
from ..errors import CorruptDataError, InputError, LayerError, SalkitError, TargetError, require

_OTHER_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".onnx", ".h5", ".keras")
_ROUNDING = 1e-4  # An image that was normalised and back lies just outside of [0, 1].


@dataclass(frozen=True, eq=False)
class Subject:
    """The network that a report is about.

    Attributes:
        model: takes images in [0, 1].
        name: what the page calls it.
        classes: names in the order of the logits, or ``None`` where nobody knows them.
        parameters: how many numbers were learnt.
        digest: SHA-256 of all weights and buffers, with their names.

    Example:
        >>> from salkit import course, reporting
        >>> reporting.subject(course.HandWired(size=8), name="by hand").name
        'by hand'
    """

    model: nn.Module
    name: str
    classes: tuple[str, ...] | None
    parameters: int
    digest: str

    @property
    def device(self) -> torch.device:
        return device_of(self.model)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images that a report is about.

    Attributes:
        inputs: ``(N, C, H, W)`` float32 in [0, 1], on the CPU.
        names: of the files, or numbers.
        labels: ``(N,)`` int64, the true classes, or ``None`` where they aren't known.
        source: where they come from, in words.
        total: how many there were to choose from.
        skipped: what is wrong with the files that could not be read, a sentence each.

    Example:
        >>> from salkit import data, reporting
        >>> some = reporting.collect(data.scenes(10), size=32, at_most=4)
        >>> some.inputs.shape, some.total, some.source
        (torch.Size([4, 3, 32, 32]), 10, 'Scenes, drawn by salkit')
    """

    inputs: Tensor
    names: tuple[str, ...]
    labels: Tensor | None
    source: str
    total: int
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def digest(self) -> str:
        """SHA-256 of the pixels that the network sees."""
        sha = hashlib.sha256(repr(tuple(self.inputs.shape)).encode())
        sha.update((self.inputs * 255).round().byte().contiguous().numpy())
        return sha.hexdigest()


def load_model(name: str, device: str | torch.device) -> tuple[nn.Module, int]:
    """The network that ``--model`` names, and the size of image it was made for.

    Args:
        name: a checkpoint file (``.safetensors``, or anything with a folder in it), ``cifar10-NAME`` (or
            another name that ``salkit doctor`` lists) for one that comes with salkit, ``module:function`` for a
            function without arguments that returns a network (or the network itself), else a torchvision ImageNet
            classifier.
        device: where to put it.

    Raises:
        InputError: there is no such network, or the function does not return one.
        CheckpointError, DataUnavailableError, CorruptDataError: see `salkit.models`.

    Example:
        >>> from salkit import reporting
        >>> model, size = reporting.load_model("cifar10-small_cnn", "cpu")
        >>> size, model.classes[:3]
        (32, ('airplane', 'automobile', 'bird'))
    """
    from .. import models

    if name.endswith(_OTHER_WEIGHTS):
        raise InputError(
            f"weights are read from .safetensors files only, not from {name!r}: build the network and load them in a "
            "function of your own, and give that as MODULE:FUNCTION"
        )
    if name.endswith(".safetensors") or os.sep in name:
        model, record = models.load_checkpoint(name, device), models.read_metadata(name)
    elif name.startswith("cifar10-") or ("-" in name and name in models.trained_names()):
        name = name.removeprefix("cifar10-")
        model, record = models.trained(name, device), models.trained_metadata(name)
    else:
        model = _import_model(name).to(device).eval() if ":" in name else models.pretrained(name, device)
        size = getattr(model, "size", 224)
        if isinstance(size, (tuple, list)) and len(set(size)) == 1:
            size = size[0]  # (32, 32)
        return model, size if isinstance(size, int) and not isinstance(size, bool) else 224
    return model, record.get("input", (3, 32, 32))[1]  # the height of the images that it was trained on


def _import_model(path: str) -> nn.Module:
    module, _, attribute = path.partition(":")
    here = os.getcwd()
    sys.path.insert(0, here)  # a console script, unlike `python -m`, doesn't look into the current folder
    try:
        made = getattr(import_module(module), attribute)
        model = made if isinstance(made, nn.Module) else made()
    except ImportError as error:
        raise InputError(f"{module!r} can't be imported from {here}: {error}") from error
    except Exception as error:  # it is the user's own code: whatever it raises
        raise InputError(f"{path!r} gives no network: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    if not isinstance(model, nn.Module):
        raise InputError(f"{path!r} must return a torch.nn.Module, not {type(model).__name__}")
    return model


def subject(model: nn.Module, *, name: str | None = None, classes: Sequence[str] | None = None) -> Subject:
    """The network with what is to be said about it.

    Example:
        >>> from salkit import course, reporting
        >>> who = reporting.subject(course.HandWired(size=8), name="by hand", classes=["red", "blue"])
        >>> who.name, who.parameters, len(who.digest)
        ('by hand', 268, 64)
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"the model must be a torch.nn.Module or the name of one, not {type(model).__name__}")
    known = classes or getattr(model, "classes", None)
    return Subject(
        model,
        name or type(model).__name__,
        tuple(map(str, known)) if known else None,
        sum(parameter.numel() for parameter in model.parameters()),
        digest(model.state_dict()),
    )


def class_names(known: Sequence[str] | None, number: int, *, single: bool) -> tuple[str, ...]:
    """The names of a network's classes.

    Args:
        known: in the order of the outputs, where somebody knows them; of a single output those of no and yes, or one.
        number: of classes.
        single: whether the network has a single output, which tells two classes apart.

    Raises:
        InputError: there are more or fewer names than classes.
    """
    if not known:
        return ("no", "yes") if single else tuple(f"class {i}" for i in range(number))
    if single and len(known) == 1:
        return f"no {known[0]}", str(known[0])
    if len(known) != number:
        outputs = "a single output, which tells 2 classes apart" if single else f"{number} outputs"
        raise InputError(f"there are {len(known)} class names for a network with {outputs}: give one for each class")
    return tuple(map(str, known))


def find_class(wanted: str | int, names: Sequence[str]) -> int:
    """The class with this number or name; a part of a name is enough where it fits one class only.

    Raises:
        TargetError: there is none, or there are several.
    """
    text = str(wanted)
    if text.lstrip("-").isdigit():
        if not 0 <= int(text) < len(names):
            raise TargetError(f"the target must be between 0 and {len(names) - 1}, not {text}")
        return int(text)
    folded = text.casefold()
    fitting = (
        [i for i, name in enumerate(names) if fits(name.casefold())]
        for fits in (folded.__eq__, lambda name: folded in name.split(), lambda name: folded in name)
    )
    found = next(filter(None, fitting), [])
    if len(found) == 1:
        return found[0]
    if not found:
        some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise TargetError(f"the network knows no class {text!r}; its {len(names)} are {some}")
    # Two classes of ImageNet have one name ("crane", the bird and the machine); numbers tell them apart.
    several = ", ".join(f"{names[i]} ({i})" for i in found[:8])
    raise TargetError(f"{text!r} fits several classes, choose one by number: {several}")


def check_methods(names: Sequence[str]) -> None:
    """
    Raises:
        InputError: one of them is no method.
    """
    if unknown := [name for name in names if name not in METHODS]:
        raise InputError(f"there is no method {unknown[0]!r}; there are {', '.join(METHODS)}")


def check_layer(model: nn.Module, layer: str | None) -> None:
    """
    Raises:
        LayerError: the network has no layer of this name; the message lists some that it has.
    """
    names = [name for name, _ in model.named_modules() if name]
    if layer is not None and layer not in names:
        close = difflib.get_close_matches(layer, names, n=5, cutoff=0.5) or names[-5:]
        raise LayerError(f"the network has no layer {layer!r}; it has {', '.join(close)}, ...")


def read_pictures(files: Sequence[Path], skipped: list[str]) -> Iterator[tuple[Path, Tensor]]:
    """The pictures that can be read, ``(3, H, W)`` uint8, one after the other; one that can't does not end a folder.

    Args:
        skipped: an empty list, which gets a sentence for each of the others.

    Raises:
        CorruptDataError, InputError, OSError: the only picture can't be read, or none of them.
    """
    for file in files:
        try:
            photo = read_photo(file)
        except (SalkitError, OSError) as error:
            if len(files) == 1:
                raise
            skipped.append(" ".join(str(error).split()))
        else:
            yield file, photo
    if len(skipped) == len(files):
        raise CorruptDataError(f"none of the {len(files)} pictures can be read; of the first, {skipped[0]}")


def collect(images, *, size: int, at_most: int) -> Pictures:
    """Images of any kind that `salkit.report` takes; of more than ``at_most``, so many at even distances.

    Raises:
        InputError: no images, or a tensor that is no batch of images in [0, 1].
        CorruptDataError: none of the pictures can be read.

    Example:
        >>> from salkit import data, reporting
        >>> reporting.collect(data.scenes(10), size=32, at_most=4).names
        ('image 0', 'image 2', 'image 5', 'image 7')
    """
    require("at_most", at_most, at_most >= 1, "at least 1")
    if isinstance(images, (ImageSet, Tensor)):
        if not len(images):
            raise InputError("there are no images to report on: the batch is empty")
        chosen = _spread_out(len(images), at_most)
        if isinstance(images, ImageSet):
            some, source = images[chosen], images.source or "a set of images"
            pixels, labels = some.pixels(), some.labels.cpu()
        else:
            _check_tensor(images)
            pixels, labels, source = images.detach()[chosen].float(), None, "a tensor"
        return Pictures(pixels.cpu(), tuple(f"image {i}" for i in chosen), labels, source, len(images))
    check_size(size)
    places, files = _listed(images), find_pictures(images)
    chosen = [files[i] for i in _spread_out(len(files), at_most)]
    skipped = []
    squares = {file: middle_square(photo, size) for file, photo in read_pictures(chosen, skipped)}
    source = f"{places[0]}" if len(places) == 1 else f"{len(places)} files and folders"
    names = tuple(file.name for file in squares)
    return Pictures(torch.cat(list(squares.values())), names, None, source, len(files), tuple(skipped))


def check_size(size: int) -> None:
    """
    Raises:
        InputError: no network sees a square with such a side.
    """
    require("the size", size, 8 <= size <= 4096, "between 8 and 4096 pixels")


def find_pictures(places: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Path]:
    """The files, with every folder replaced by the pictures in it and below, in the order of their names.

    Raises:
        InputError: a place that isn't there, or no picture anywhere.
    """
    places, files = _listed(places), []
    for place in map(Path, places):
        if place.is_dir():
            files += pictures_among(place.rglob("*"))
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"there is no file or folder {place}")
    if not files:
        where = ", ".join(map(str, places)) or "an empty list"
        raise InputError(f"there are no pictures in {where}: files must end in {', '.join(SUFFIXES)}")
    return files


def _listed(places: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str | os.PathLike]:
    return [places] if isinstance(places, (str, os.PathLike)) else list(places)


def _spread_out(n: int, at_most: int) -> list[int]:
    """At most so many of the numbers 0 .. n - 1, at even distances: the first ones may all be of one class."""
    return [i * n // min(n, at_most) for i in range(min(n, at_most))]


def _check_tensor(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(f"images must be floats (N, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if not (images.min() >= -_ROUNDING and images.max() <= 1 + _ROUNDING):  # written so that NaN fails, too
        raise InputError(
            f"images must lie in [0, 1], not {images.min():.3g} .. {images.max():.3g}: give them as they are, and let "
            "the model's first layer normalise them (salkit.models.Normalize)"
        )
