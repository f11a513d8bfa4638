"""How accurate a network gets whose weights do not come with the package: `python -m benchmarks.recipes [NAME ...]`.

The record of what it took and what came out is kept, and the network in `_build/recipes`. An interrupted training is
resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from salkit import models
from salkit.course import recipes

from .report import closing, kept, per_device, write

FOLDER = Path(__file__).parents[1] / "_build" / "recipes"

# With all its resolution ResNet-18 is too slow for the chapters to explain it on a processor.
NAMES = ("resnet18_fine",)


def reached(record: dict) -> dict:
    """What the record of a checkpoint says of the network's strides, training and accuracy (shares in [0, 1])."""
    history = record["history"]  # of the last stage
    return {
        "architecture": record["architecture"],
        "strides": record["kwargs"].get("strides"),
        "epochs": sum(stage["epochs"] for stage in record.get("before", ())) + len(history["rows"]),
        "validation": history["rows"][history["best_epoch"] - 1]["val_accuracy"],
        "test": record["test"]["accuracy"],
        "data": record["data"]["source"],
        "device": record["device"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES, help=f"recipes; by default {NAMES}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    result = per_device("recipes")
    for name in parser.parse_args().names:
        path = recipes.train(recipes.read_recipe(name), FOLDER / f"{name}.safetensors", resume=True)
        figures = {**kept(result), name: reached(models.read_metadata(path))}
        print(f"{name}: {figures[name]['test']:.2%} of the test images")
        print(closing(write(result, figures)))


if __name__ == "__main__":
    main()
