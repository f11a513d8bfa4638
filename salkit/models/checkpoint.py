"""Trained networks as files: safetensors with a record of how they came to be.

A checkpoint is numbers and JSON. The network is built from its name in `salkit.models.ARCHITECTURES`,
so loading a file never runs code from it.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .. import __version__
from .._cache import replacing
from ..data import ImageSet
from ..errors import CheckpointError
from .nets import ARCHITECTURES, count_parameters

FORMAT = 1
# The key of the safetensors header that holds the record, as one JSON text.
_KEY = "salkit"


def save_checkpoint(
    path,
    model: nn.Module,
    *,
    architecture: str,
    kwargs: Mapping | None = None,
    classes: tuple[str, ...] | None = None,
    history=None,
    recipe: Mapping | None = None,
    data: ImageSet | Mapping | None = None,
    half: bool = False,
    **record,
) -> Path:
    """Write ``model`` and the record of its training to a ``.safetensors`` file.

    The file appears whole or not at all: it is written beside its place and moved there.

    Args:
        path: the file to write; its folder is made when it is missing.
        model: what ``ARCHITECTURES[architecture](**kwargs)`` builds, with trained weights.
        architecture: a name in `ARCHITECTURES`.
        kwargs: the arguments the network was built with: numbers, truth values, or lists of them.
        classes: the class names, in the order of the logits; by default those of ``data``.
        history: what ``fit`` returned, or a dict in its place.
        recipe: the arguments given to ``fit``.
        data: the training images; their digest, number and source are kept, not the pixels. A dict with
            such entries may stand in for them.
        half: store the parameters in 16 bits. Buffers (BatchNorm's statistics) keep their 32: they need the range.
        record: anything else worth keeping that JSON can hold, such as ``accuracy=0.91``, ``device="one T4"``.

    Returns:
        The path.

    Raises:
        CheckpointError: the model isn't what the architecture and its arguments build, or a weight is NaN or
            infinite (with ``half``: or too large for 16 bits), or the record doesn't fit into JSON, or the disk
            is full.
        OSError: the folder can't be written.

    Example:
        >>> from salkit import models
        >>> options = {"num_classes": 2, "width": 4}
        >>> model = models.small_cnn(**options)
        >>> path = models.save_checkpoint("my.safetensors", model, architecture="small_cnn", kwargs=options)
        >>> models.read_metadata(path)["parameters"]
        8678
    """
    path = Path(path)
    kwargs = dict(kwargs or {})
    _check_built_by(model, architecture, kwargs)
    parameters = {name for name, _ in model.named_parameters()}
    # A clone each: safetensors refuses tensors that share memory.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors.update({name: tensors[name].half() for name in parameters})
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            where = " in 16 bits: save it with half=False" if torch.isfinite(model.state_dict()[name]).all() else ""
            raise CheckpointError(f"{name} is not finite{where}")

    if isinstance(data, ImageSet):
        classes = classes or data.classes
        data = {"digest": data.digest(), "images": len(data), "source": data.source}
    metadata = {
        "format": FORMAT,
        "architecture": architecture,
        "kwargs": kwargs,
        "parameters": count_parameters(model),
        "classes": list(classes) if classes else None,
        "history": history.to_dict() if hasattr(history, "to_dict") else history,
        "recipe": recipe,
        "data": data,
        "date": date.today().isoformat(),
        "versions": {"salkit": __version__, **{name: version(name) for name in ("torch", "torchvision")}},
        **record,
    }
    try:
        text = json.dumps(metadata)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the record of a checkpoint must fit into JSON: {error}") from error

    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={_KEY: text})
    except SafetensorError as error:  # how safetensors reports a full disk
        raise CheckpointError(f"{path} can't be written: {error}") from error
    return path


def load_checkpoint(path, device: str | torch.device = "cpu") -> nn.Module:
    """The network in a file written by `save_checkpoint`: in float32, in evaluation mode, on ``device``.

    Its class names are in ``model.classes`` (``None`` when the file has none).

    Raises:
        CheckpointError: no such file, a damaged one, one without salkit's record, an unknown architecture,
            or weights that do not fit it.

    Example:
        >>> import torch
        >>> from salkit import models
        >>> model, options = models.fc_net(2).eval(), {"num_classes": 2}
        >>> path = models.save_checkpoint("my.safetensors", model, architecture="fc", kwargs=options)
        >>> again, images = models.load_checkpoint(path), torch.zeros(1, 3, 32, 32)
        >>> torch.allclose(again(images), model(images))
        True
    """
    metadata = read_metadata(path)
    model = _build(metadata.get("architecture"), metadata.get("kwargs"), path)
    tensors = _read_tensors(path)
    _check_fits(model, tensors, path)
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    # The network was built without memory, so that no random number is drawn for weights that are replaced at once.
    model.load_state_dict(tensors, assign=True)
    classes = metadata.get("classes")
    vars(model).update(classes=tuple(classes) if classes else None)
    return model.to(device).eval()


def load_weights(model: nn.Module, path) -> nn.Module:
    """Put the weights of any safetensors file into ``model``, in its own dtype and on its device; returns it.

    Raises:
        CheckpointError: no such file, a damaged one, or names and shapes that differ from the model's; the
            message names the first differences, and the model is unchanged.

    Example:
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from salkit import models
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, "ones.safetensors")
        >>> models.load_weights(torch.nn.Linear(2, 1), "ones.safetensors").weight.data
        tensor([[1., 1.]])
    """
    tensors = _read_tensors(path)
    _check_fits(model, tensors, path)
    model.load_state_dict(tensors)
    return model


def read_metadata(path) -> dict:
    """The record in a checkpoint: ``architecture``, ``kwargs``, ``parameters``, ``classes``, ``history``,
    ``recipe``, ``data``, ``date``, ``versions`` and what else was given to `save_checkpoint`.

    Only the header of the file is read.

    Raises:
        CheckpointError: no such file, a damaged one, or one that `save_checkpoint` did not write.

    Example:
        >>> from salkit import models
        >>> path = models.save_checkpoint("my.safetensors", models.fc_net(), architecture="fc", accuracy=0.91)
        >>> record = models.read_metadata(path)
        >>> record["architecture"], record["accuracy"]
        ('fc', 0.91)
    """
    with _open(path) as file:
        text = (file.metadata() or {}).get(_KEY)
    if text is None:
        raise CheckpointError(f"{path} holds no record of its network: load it with load_weights(model, path)")
    try:
        metadata = json.loads(text)
        number = metadata["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"the record in {path} is damaged") from error
    if number != FORMAT:
        raise CheckpointError(f"{path} has format {number!r}, and this version of salkit reads {FORMAT}")
    return metadata


def _build(architecture, kwargs, path) -> nn.Module:
    """The named network without memory for its weights (on the ``meta`` device)."""
    builder = ARCHITECTURES.get(architecture) if isinstance(architecture, str) else None
    if builder is None:
        raise CheckpointError(f"{path}: unknown architecture {architecture!r}; known are {', '.join(ARCHITECTURES)}")
    kwargs = {} if kwargs is None else kwargs
    allowed = inspect.signature(builder).parameters
    if not isinstance(kwargs, dict) or not all(name in allowed and _is_plain(v) for name, v in kwargs.items()):
        raise CheckpointError(f"{path}: {architecture} can't be built with {kwargs!r}; it takes {', '.join(allowed)}")
    try:
        with torch.device("meta"):
            return builder(**kwargs)
    except Exception as error:  # whatever odd values make of the constructor: the file is to blame
        raise CheckpointError(f"{path}: {architecture} can't be built with {kwargs!r}: {error}") from error


def _is_plain(value) -> bool:
    """A finite number, a truth value, or a list of them."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, (bool, int, float)) and math.isfinite(item) for item in value)
    return isinstance(value, (bool, int, float)) and math.isfinite(value)


def _check_built_by(model: nn.Module, architecture: str, kwargs: dict) -> None:
    # Weights alone don't tell strides and dropout; the printed modules do.
    built = _build(architecture, kwargs, "save_checkpoint")
    _check_fits(built, model.state_dict(), "the model")
    ours, theirs = repr(model).splitlines(), repr(built).splitlines()
    if ours != theirs:
        mine, other = next(((a, b) for a, b in zip(ours, theirs, strict=False) if a != b), (ours[-1], theirs[-1]))
        raise CheckpointError(
            f"the model isn't what {architecture} builds with {kwargs!r}: it has {mine.strip()}, not {other.strip()}"
        )


def _open(path):
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        return safe_open(str(path), framework="pt")
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}") from error


def _read_tensors(path) -> dict[str, Tensor]:
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def _check_fits(model: nn.Module, tensors: Mapping[str, Tensor], what) -> None:
    """Raise CheckpointError with the first differences in names and shapes, if there are any."""
    expected = model.state_dict()
    differences = []
    for name, tensor in expected.items():
        if name not in tensors:
            differences.append(f"{name} is missing")
        elif tensors[name].shape != tensor.shape:
            shapes = tuple(tensors[name].shape), tuple(tensor.shape)
            differences.append(f"{name} has shape {shapes[0]}, and the network's has {shapes[1]}")
    differences += [f"{name} is not in the network" for name in tensors if name not in expected]
    if differences:
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(f"{what} doesn't fit the network: {'; '.join(differences[:3])}{more}")
