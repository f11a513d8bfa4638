"""Saliency maps: the methods, the ways to draw them, and the ways to doubt them.

Everything is loaded when it is first used, so ``import salkit`` itself costs next to nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=(
        *("attack", "attribution", "course", "data", "display", "errors", "evaluation", "models", "reporting"),
        *("sanity", "synthesis", "targets"),
    ),
    submod_attrs={
        "attribution": (
            *("METHODS", "cam", "deconvnet", "deeplift", "edge_map", "feature_maps", "gradcam"),
            *("gradcam_plus_plus", "gradient", "guided_backprop", "guided_gradcam", "hirescam", "input_x_gradient"),
            *("integrated_gradients", "layer_attribution", "layercam"),
            *("neuron_attribution", "occlusion", "random_map", "rise", "smoothgrad"),
        ),
        "evaluation": ("compare",),
        "reporting": ("report",),
    },
)
