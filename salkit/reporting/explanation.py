"""One picture explained, and what can be written of it: a figure, an overlay at full size, the numbers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from .. import display
from .._cache import replacing
from .._device import device_of
from ..attribution import METHODS
from ..data import middle_square, place_back
from ..errors import InputError
from .predictions import foreign_errors, predict
from .subjects import check_methods, class_names, find_class

_OUTSIDE = 0.4  # how bright an overlay leaves what the network did not see


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attributes:
    photo: ``(3, H, W)`` uint8, the whole picture.
    image: ``(1, 3, size, size)``, what the network saw of it.
    maps: ``(1, C, size, size)``, signed and not normalised.
    method: its name.
    classes: ``K`` names.
    probabilities: ``(K,)``.
    predicted, explained: classes.
    """

    photo: Tensor
    image: Tensor
    maps: Tensor
    method: str
    classes: tuple[str, ...]
    probabilities: Tensor
    predicted: int
    explained: int

    def chance(self, k: int) -> str:
        """Name and probability of a class, in words."""
        return f"{self.classes[k]} {self.probabilities[k].item():.1%}"


def check_method(name: str, layer: str | None = None) -> None:
    """
    Raises:
        InputError: there is no such method, or it reads no layer and one was named.
    """
    check_methods([name])
    # Those that paint a layer's grid over the picture; the gradient by a layer has another shape.
    with_layer = [key for key, method in METHODS.items() if "reshape" in inspect.signature(method.function).parameters]
    if layer is not None and name not in with_layer:
        raise InputError(f"{name} reads no layer: --layer goes with {', '.join(with_layer)}")


def explain(
    model: nn.Module,
    photo: Tensor,
    *,
    size: int,
    method: str,
    target: str | int | None = None,
    classes: Sequence[str] | None = None,
    layer: str | None = None,
) -> Explanation:
    """Ask a network about the middle square of a picture, and explain a class.

    Args:
        target: a class by number or name; by default the predicted one, and of a single output the output itself.
        classes: the names of the classes; by default ``model.classes``.
        layer: by its name, for methods that read one.

    Raises:
        InputError, TargetError: before the map is computed where possible; whatever the network raises is one.
    """
    image = middle_square(photo, size).to(device_of(model))
    said = predict(model, image)
    probabilities = said.probabilities[0]
    names = class_names(classes or getattr(model, "classes", None), len(probabilities), single=said.single)
    predicted = int(probabilities.argmax())
    default = 1 if said.single else predicted
    explained = default if target is None else find_class(target, names)
    with foreign_errors(method):
        if layer is None and (reason := METHODS[method].why_not(model, image)):
            raise InputError(f"{method} can't explain this network: {reason}")
        options = {} if layer is None else {"layer": layer}
        maps = METHODS[method](model, image, said.score_of(explained), **options)
    return Explanation(photo, image, maps, method, names, probabilities, predicted, explained)


def write(found: Explanation, kind: str, path: Path, name: str) -> None:
    """Write a ``"figure"``, an ``"overlay"`` or a ``"map"``, whole or not at all; ``name`` is the network's."""
    ending = path.suffix[1:].lower()
    with replacing(path) as temporary, open(temporary, "wb") as file:
        if kind == "figure":
            _figure(found, name).savefig(file, format=ending, bbox_inches="tight", pad_inches=0.1)
        elif kind == "overlay":
            Image.fromarray(_overlay(found)).save(file, format="jpeg" if ending == "jpg" else ending)
        else:
            np.save(file, found.maps[0].cpu().numpy())  # (C, size, size), as the method gave it


def _figure(found: Explanation, name: str) -> display.Figure:
    """The picture, the map and the overlay in a row."""
    title = f"{name} sees: {found.chance(found.predicted)}"
    if found.explained != found.predicted:
        title += f"\nexplained: {found.chance(found.explained)}"
    picture, shown = display.pictures(found.image)[0], display.reduce_channels(found.maps)[0]
    over = display.overlay(found.image, display.heatmap(found.maps))[0]
    labels = ["image", found.method, "overlay"]
    return display.grid([[picture, shown, over]], column_labels=labels, title=title, cell=2.24)


def _overlay(found: Explanation) -> np.ndarray:
    """The map over the picture, pixel for pixel of the file; what the network did not see is darker."""
    height, width = found.photo.shape[1:]
    heat = place_back(display.heatmap(found.maps), height, width)
    seen = place_back(torch.ones(1, 1, 1), height, width)[0, :, :, None].numpy()
    pixels = display.overlay(found.photo[None], heat, signed=False)[0] * (_OUTSIDE + (1 - _OUTSIDE) * seen)
    return (pixels * 255).round().astype(np.uint8)
