"""The networks that are shipped with the package: train them again, or write their model cards again.

    python -m tools.checkpoints                # train all of them
    python -m tools.checkpoints resnet18 fc    # train some
    python -m tools.checkpoints --cards        # only write the cards, from the records in the files

The recipe ``NAME`` becomes ``weights/NAME.safetensors`` with its card beside it, or ``cifar10-NAME``
where the name does not say what it learnt. An interrupted training is resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from salkit import models
from salkit.course import recipes

FOLDER = Path(__file__).parents[1] / "weights"


def file_of(name: str, ending: str = "safetensors") -> Path:
    return FOLDER / f"{name if '-' in name else f'cifar10-{name}'}.{ending}"


def card(name: str) -> str:
    """The model card of a shipped network, from the record in its file."""
    return recipes.card(recipes.read_recipe(name), models.trained_metadata(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = models.trained_names()
    parser.add_argument("names", nargs="*", help=f"recipes; by default all shipped ones: {', '.join(names)}")
    parser.add_argument("--cards", action="store_true", help="write the model cards again from the files")
    arguments = parser.parse_args()
    for name in arguments.names or names:
        if arguments.cards:
            file_of(name, "md").write_text(card(name), encoding="utf-8")
        else:
            recipes.train(recipes.read_recipe(name), file_of(name), resume=True)


if __name__ == "__main__":
    main()
