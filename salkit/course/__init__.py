"""What the chapters need beside the library: the set-up, exercises that check themselves, training, planted data.

``from salkit import course`` and ``run = course.start(seed=0)`` begin a chapter. Nothing in the library imports it.
Everything is loaded when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=("check", "recipes", "training"),
    submod_attrs={
        "handwired": ("HandWired", "colour_tiles"),
        "known_events": ("EVENT_CLASSES", "events"),
        "passengers": ("Flights", "flights", "windows"),
        "planted": ("tint_objects",),
        "records": ("proportion",),
        "session": ("Run", "start"),
        "training": ("History", "augment", "evaluate", "fit"),
    },
)
