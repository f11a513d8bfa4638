"""Saliency maps: the methods, the ways to draw them, and the ways to doubt them.

Everything is loaded when it is first used, so ``import salkit`` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_SUBMODULES = (
    "attack",
    "attribution",
    "check",
    "data",
    "display",
    "errors",
    "evaluation",
    "lab",
    "models",
    "recipes",
    "reporting",
    "sanity",
    "synthesis",
    "targets",
    "training",
)
_METHODS = (
    "cam",
    "deconvnet",
    "deeplift",
    "edge_map",
    "gradcam",
    "gradient",
    "guided_backprop",
    "guided_gradcam",
    "input_x_gradient",
    "integrated_gradients",
    "layer_attribution",
    "neuron_attribution",
    "occlusion",
    "random_map",
    "rise",
    "smoothgrad",
)
_HOME = {"start": "lab", "Run": "lab", "METHODS": "attribution", "feature_maps": "attribution", "compare": "evaluation"}
_HOME["report"] = "reporting"
_HOME.update(dict.fromkeys(_METHODS, "attribution"))

__all__ = [*_SUBMODULES, *_HOME]

def __getattr__(name: str):
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
