"""One page about one model: what it sees in a few pictures, and which maps of it can be believed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from .._cache import check_output, write_file
from .._device import preferred_device
from ..data import ImageSet
from ..errors import InputError, SalkitWarning
from .layout import page
from .measurements import CONTROLS, METHODS_SHOWN, measure
from .subjects import Pictures, Subject, collect, find_pictures, load_model, subject

__all__ = ["CONTROLS", "METHODS_SHOWN", "Pictures", "Subject", "collect", "load_model", "report", "subject"]


def report(
    model: nn.Module | str,
    images: ImageSet | Tensor | str | os.PathLike | Sequence[str | os.PathLike],
    *,
    output: str | os.PathLike | None = None,
    methods: Sequence[str] | None = None,
    target: int | str | None = None,
    classes: Sequence[str] | None = None,
    size: int | None = None,
    at_most: int = 16,
    seed: int = 0,
    name: str | None = None,
    command: str | None = None,
    progress: bool = True,
) -> str | Path:
    """One self-contained HTML page: predictions, maps side by side, sanity checks, scores, verdicts, versions.

    The page asks of every method what a careful reader would: does its map change when the weights are scrambled
    (Adebayo et al. 2018), does it change with the class, does it find pixels that matter better than a random map
    does (Petsiuk et al. 2018)? Two maps that explain nothing stand beside all others.

    Args:
        model: a network that takes images in [0, 1], in which case it is left as it was; or what
            ``salkit explain --model`` takes: a torchvision name, a checkpoint file, ``cifar10-NAME``, or
            ``module:function``, a function that returns a network.
        images: an `salkit.data.ImageSet`, a float tensor ``(N, C, H, W)`` in [0, 1], a file, a folder, or a
            list of files and folders. Of a picture file the network sees the middle square. Of several, those that
            can't be read are skipped.
        output: the file to write, ``.html``; without it the page is returned as text.
        methods: names from `salkit.METHODS`; by default those of `salkit.reporting.METHODS_SHOWN` that apply to the
            model. The controls, an edge map and a random map, are always there.
        target: the class to explain, by number or name; by default the predicted one of each image.
        classes: the names of the classes, in the order of the outputs; by default ``model.classes``. Of a single output
            those of no and yes, or the latter alone.
        size: side of the square that the network sees, for picture files; by default ``model.size``, or 224.
        at_most: how many images are looked at; of more, so many are taken at even distances, and the page says so.
        seed: of the scrambled weights, and of methods that draw random numbers.
        name: what the page calls the model.
        command: how to make the page again, as the page quotes it.
        progress: show a bar on the standard error stream.

    Returns:
        The page, or the path of the file that was written.

    Raises:
        InputError: before any map is computed: no images, an unknown method or one that does not apply, class names
            whose number differs from that of the classes, images that the model can't take, an output that can't be
            written or would replace a picture. Later, whatever the model raises.
        CorruptDataError: none of the pictures can be read.
        CheckpointError, DataUnavailableError: the model can't be loaded.
        TargetError: a target that the model doesn't have, or outputs that are no logits.

    Warns:
        SalkitWarning: at the end, once for each picture that was skipped. Warnings of the methods stand on the page.

    Example:
        >>> import salkit
        >>> from salkit import course
        >>> model, images = course.HandWired(size=32), course.colour_tiles(1, size=32)
        >>> page = salkit.report(model, images, methods=["gradient"], progress=False)
        >>> page[:15]
        '<!doctype html>'
    """
    path = None if output is None else Path(output)
    # Before a network is loaded, or downloaded:
    files = [] if isinstance(images, (ImageSet, Tensor)) else find_pictures(images)
    if path is not None:
        if path.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"the report is a page, so its name must end in .html, not {path.name!r}")
        check_output(path, files)
    if isinstance(model, str):
        name, (model, made_for) = name or model, load_model(model, preferred_device())
        size = made_for if size is None else size
    who = subject(model, name=name, classes=classes)
    pictures = collect(images, size=getattr(model, "size", 224) if size is None else size, at_most=at_most)
    text = page(measure(who, pictures, methods=methods, target=target, seed=seed, progress=progress), command=command)
    if path is not None:
        write_file(path, text)
    for problem in pictures.skipped:
        warnings.warn(f"skipped: {problem}", SalkitWarning, stacklevel=2)
    return text if path is None else path
