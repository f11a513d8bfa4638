"""How the networks of the course were trained: one JSON file for each of them, and what reads and runs these files.

A recipe says which network learns what, and how::

    {
      "architecture": "resnet18",
      "kwargs": {"strides": [1, 2]},
      "data": {"dataset": "cifar10"},
      "stages": [
        {"fit": {"epochs": 14, "lr": 0.1, "mixed_precision": true, "compile": true}}
      ],
      "seed": 0
    }

``architecture`` is a name in ``salkit.models.ARCHITECTURES``, and ``kwargs`` are its arguments. ``data`` names one of
``DATASETS`` and the arguments of its function there. Each stage has
``Options``, and ``data`` of its own where it learns from other images than the last stage. ``kwargs`` and ``seed`` may
be left out.

``salkit train --recipe resnet18`` runs one, and ``salkit train --recipe my/own.json`` another.
"""

from .cards import card
from .images import DATASETS, Images
from .options import Options
from .reading import Recipe, Stage, read_recipe, recipe_names
from .running import train

__all__ = ["DATASETS", "Images", "Options", "Recipe", "Stage", "card", "read_recipe", "recipe_names", "train"]
