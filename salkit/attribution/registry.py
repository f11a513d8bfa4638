"""All methods in one dictionary, with what each needs of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._state import untouched
from ..errors import SalkitError
from . import cams, rectifiers
from .cams import cam, gradcam, guided_gradcam
from .controls import edge_map, random_map
from .differences import deeplift
from .gradients import gradient, input_x_gradient
from .path import integrated_gradients
from .perturbation import occlusion, rise
from .rectifiers import deconvnet, guided_backprop
from .smooth import smoothgrad

Need = Callable[[nn.Module, Tensor], "str | None"]


@dataclass(frozen=True)
class Method:
    """A method, callable as ``method(model, inputs, target, ...)``.

    Attributes:
        function: the method itself.
        passes: what a map of a named class costs, in forward and backward passes; to find the predicted class
            adds a forward pass where copies of the input are changed, and so does finding a layer.
        needs: what the model or the inputs must have, in words.
        checks: each ``(model, inputs) -> reason why it does not apply, or None``.
    """

    function: Callable[..., Tensor]
    passes: str
    needs: str = "a gradient"
    checks: tuple[Need, ...] = ()

    def __call__(self, *args, **kwargs) -> Tensor:
        return self.function(*args, **kwargs)

    def why_not(self, model: nn.Module, inputs: Tensor) -> str | None:
        """Why the method does not apply to this model and these inputs, or ``None`` where it does.

        Costs at most two forward passes of the first sample.
        """
        return next(filter(None, (check(model, inputs) for check in self.checks)), None)


def _rectifier(model: nn.Module, inputs: Tensor) -> str | None:
    with untouched(model, inputs[:1]) as x, torch.no_grad():
        found = rectifiers.count_rectifiers(model, x)
    return None if found else "the model calls no ReLU"


def _layer_with_a_grid(model: nn.Module, inputs: Tensor) -> str | None:
    return _error_of(cams.default_layer, model, inputs)


def _pooled_head(model: nn.Module, inputs: Tensor) -> str | None:
    return _error_of(cams.pooled_head, model, inputs)


def _error_of(find: Callable, model: nn.Module, inputs: Tensor) -> str | None:
    try:
        with untouched(model, inputs[:1]) as x:
            find(model, x)
    except SalkitError as error:
        return str(error)
    return None


def _spatial_axes(model: nn.Module, inputs: Tensor) -> str | None:
    return None if inputs.ndim in (3, 4) else "the inputs have no spatial axes"


METHODS: dict[str, Method] = {
    "gradient": Method(gradient, "1 forward, 1 backward"),
    "input_x_gradient": Method(input_x_gradient, "1 forward, 1 backward"),
    "smoothgrad": Method(smoothgrad, "n_samples forward and backward"),
    "integrated_gradients": Method(integrated_gradients, "n_steps + 2 forward and backward"),
    "deeplift": Method(deeplift, "3 forward, 1 backward"),
    "deconvnet": Method(deconvnet, "1 forward, 1 backward", "a ReLU", (_rectifier,)),
    "guided_backprop": Method(guided_backprop, "1 forward, 1 backward", "a ReLU", (_rectifier,)),
    "gradcam": Method(gradcam, "1 forward, backward to the layer", "a layer with a grid", (_layer_with_a_grid,)),
    "guided_gradcam": Method(
        guided_gradcam, "2 forward, 2 backward", "a ReLU and a layer with a grid", (_rectifier, _layer_with_a_grid)
    ),
    "cam": Method(cam, "2 forward", "a global average pool, then at most one linear layer", (_pooled_head,)),
    "occlusion": Method(occlusion, "1 forward, and 1 for each window", "nothing but scores"),
    "rise": Method(rise, "n_masks forward", "spatial axes", (_spatial_axes,)),
    "edge_map": Method(edge_map, "none: a control", "spatial axes", (_spatial_axes,)),
    "random_map": Method(random_map, "none: a control", "nothing"),
}
