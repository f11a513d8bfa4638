"""Attribution methods: a model and inputs in, a signed map out.

Every one is a pure function ``method(model, inputs, target=None, *, ...) -> Tensor`` that leaves no trace on the
model, the inputs, or the global random state.
"""

from .cams import cam, gradcam, gradcam_plus_plus, guided_gradcam, hirescam, layercam
from .controls import edge_map, random_map
from .differences import deeplift
from .features import feature_maps
from .gradients import gradient, input_x_gradient
from .layers import layer_attribution, neuron_attribution
from .path import integrated_gradients
from .perturbation import occlusion, rise
from .rectifiers import deconvnet, guided_backprop
from .registry import METHODS, Method
from .smooth import smoothgrad

__all__ = [
    "METHODS",
    "Method",
    "cam",
    "deconvnet",
    "deeplift",
    "edge_map",
    "feature_maps",
    "gradcam",
    "gradcam_plus_plus",
    "gradient",
    "guided_backprop",
    "guided_gradcam",
    "hirescam",
    "input_x_gradient",
    "integrated_gradients",
    "layer_attribution",
    "layercam",
    "neuron_attribution",
    "occlusion",
    "random_map",
    "rise",
    "smoothgrad",
]
