"""What the layers see: their outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._state import untouched
from .core import call, captured, find_layer, slices


def feature_maps(
    model: nn.Module, inputs: Tensor, layers: Sequence[nn.Module | str], *, batch_size: int | None = None
) -> dict[str, Tensor]:
    """The outputs of some layers, in evaluation mode.

    Args:
        model: any module.
        inputs: ``(N, ...)``, floating point.
        layers: modules of the model, or their dotted names.
        batch_size: samples in one pass; ``None``: all.

    Returns:
        ``{dotted name: output}``, in the order of ``layers``, detached; each as the layer puts it out,
        ``(N, channels, height, width)`` for a convolution.

    Raises:
        InputError: inputs that can't be explained.
        LayerError: a layer that is not in the model, does not run, runs twice, or puts out no tensor.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 1))
        >>> salkit.feature_maps(model, torch.tensor([[2.0, -5.0]]), ["0"])
        {'0': tensor([[2., 0.]])}
    """
    if isinstance(layers, (str, nn.Module)):
        layers = [layers]
    parts: dict[str, list[Tensor]] = {}
    with untouched(model, inputs) as x, torch.no_grad():
        for rows in slices(len(x), batch_size):
            with captured(model, layers) as outputs:
                call(model, x[rows])
            for name, output in outputs.items():
                parts.setdefault(name, []).append(output)
    names = [find_layer(model, layer)[0] for layer in layers]
    return {name: torch.cat(parts[name]) for name in names}
