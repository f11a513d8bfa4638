"""All methods in one dictionary, with what each needs of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from .._state import untouched
from ..errors import InputError, SalkitError
from . import cams, places, rectifiers
from .cams import cam, gradcam, gradcam_plus_plus, guided_gradcam, hirescam, layercam
from .controls import edge_map, random_map
from .differences import deeplift
from .gradients import gradient, input_x_gradient
from .path import integrated_gradients
from .perturbation import occlusion, rise
from .rectifiers import deconvnet, guided_backprop
from .smooth import smoothgrad

Check = Callable[[nn.Module, Tensor], "str | None"]


def _rectifier(model: nn.Module, inputs: Tensor) -> str | None:
    def look(model: nn.Module, x: Tensor) -> None:
        if not rectifiers.count_rectifiers(model, x):
            raise SalkitError("the model calls no ReLU")

    return _error_of(look, model, inputs)


def _error_of(find: Callable, model: nn.Module, inputs: Tensor) -> str | None:
    try:
        with untouched(model, inputs[:1]) as x:
            find(model, x)
    except SalkitError as error:
        return str(error)
    return None


def _spatial_axes(model: nn.Module, inputs: Tensor) -> str | None:
    return None if inputs.ndim in (3, 4, 5) else "the inputs have no spatial axes"


A_RELU = "a ReLU"
A_GRID = "a layer with a grid"
A_POOLED_HEAD = "a global average pool, then at most one linear layer"
SPATIAL_AXES = "spatial axes"

# What a method may need, in words, with ``(model, inputs) -> reason why it is not there, or None``.
CHECKS: dict[str, Check] = {
    A_RELU: _rectifier,
    A_GRID: partial(_error_of, places.last_place),
    A_POOLED_HEAD: partial(_error_of, cams.pooled_head),
    SPATIAL_AXES: _spatial_axes,
}


@dataclass(frozen=True)
class Method:
    """A method, callable as ``method(model, inputs, target, ...)``.

    Attributes:
        function: the method itself.
        passes: what a map of a named class costs, in forward and backward passes; to find the predicted class
            adds a forward pass where copies of the input are changed, and so does finding a layer.
        needs: what the model or the inputs must have beyond scores and, mostly, gradients, in words.
        one_channel: the map is ``(N, 1, H, W)``, not of the inputs' shape.
        any_score: takes a callable as the target.
        control: explains nothing; a map to hold the others against.

    Example:
        >>> import torch, salkit
        >>> model, inputs = torch.nn.Linear(2, 3), torch.ones(1, 2)
        >>> salkit.METHODS["guided_backprop"].why_not(model, inputs)
        'the model calls no ReLU'
        >>> salkit.METHODS["gradient"].why_not(model, inputs) is None
        True
    """

    function: Callable[..., Any]
    passes: str
    needs: tuple[str, ...] = ()
    one_channel: bool = False
    any_score: bool = True
    control: bool = False

    def __call__(self, *args, **kwargs) -> Tensor:
        return self.function(*args, **kwargs)

    @property
    def finds_layer(self) -> bool:
        """Whether it looks for a layer of the model unless one is named by ``layer=``."""
        return A_GRID in self.needs

    def why_not(self, model: nn.Module, inputs: Tensor) -> str | None:
        """Why the method does not apply to this model and these inputs, or ``None`` where it does.

        Costs at most two forward passes of the first sample; on transformers and recurrent networks up to four, one of
        them of a few changed copies, and a backward pass.
        """
        if not isinstance(inputs, Tensor):
            raise InputError(f"inputs must be a tensor with a batch axis, not {type(inputs).__name__}")
        return next(filter(None, (CHECKS[need](model, inputs) for need in self.needs)), None)


_TO_A_LAYER: dict[str, Any] = dict(passes="1 forward, backward to the layer", needs=(A_GRID,), one_channel=True)

METHODS: dict[str, Method] = {
    "gradient": Method(gradient, "1 forward, 1 backward"),
    "input_x_gradient": Method(input_x_gradient, "1 forward, 1 backward"),
    "smoothgrad": Method(smoothgrad, "n_samples forward and backward"),
    "integrated_gradients": Method(integrated_gradients, "n_steps + 2 forward and backward"),
    "deeplift": Method(deeplift, "3 forward, 1 backward"),
    "deconvnet": Method(deconvnet, "1 forward, 1 backward", (A_RELU,)),
    "guided_backprop": Method(guided_backprop, "1 forward, 1 backward", (A_RELU,)),
    "gradcam": Method(gradcam, **_TO_A_LAYER),
    "gradcam_plus_plus": Method(gradcam_plus_plus, **_TO_A_LAYER),
    "hirescam": Method(hirescam, **_TO_A_LAYER),
    "layercam": Method(layercam, **_TO_A_LAYER),
    "guided_gradcam": Method(guided_gradcam, "2 forward, 2 backward", (A_RELU, A_GRID)),
    "cam": Method(cam, "2 forward", (A_POOLED_HEAD,), one_channel=True, any_score=False),
    "occlusion": Method(occlusion, "1 forward, and 1 for each window"),
    "rise": Method(rise, "n_masks forward", (SPATIAL_AXES,)),
    "edge_map": Method(edge_map, "none: a control", (SPATIAL_AXES,), control=True),
    "random_map": Method(random_map, "none: a control", control=True),
}
