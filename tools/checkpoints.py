"""The trained networks: train them again, or write their table and their model cards again.

    python -m tools.checkpoints                # train all of them
    python -m tools.checkpoints resnet18 fc    # train some
    python -m tools.checkpoints --cards        # only write the table and the cards, from the files

The recipe ``NAME`` becomes ``weights/NAME.safetensors`` with its card beside it, or ``cifar10-NAME``
where the name does not say what it learnt. An interrupted training is resumed. The table,
``salkit/models/trained.json``, has every file's size and SHA-256: by it ``salkit.models.trained`` finds them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from salkit import models
from salkit.course import recipes
from salkit.data.download import checksum

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "weights"
TABLE = ROOT / "salkit" / "models" / "trained.json"


def file_of(name: str, ending: str = "safetensors") -> Path:
    return FOLDER / f"{name if '-' in name else f'cifar10-{name}'}.{ending}"


def card(name: str) -> str:
    """The model card of a trained network, from the record in its file."""
    return recipes.card(recipes.read_recipe(name), models.read_metadata(file_of(name)))


def table() -> str:
    """The table of the files that are there, as JSON."""
    names = {path.stem.removeprefix("cifar10-"): path for path in sorted(FOLDER.glob("*.safetensors"))}
    entries = {
        name: {"file": path.name, "size": path.stat().st_size, "checksum": checksum(path, "sha256:")}
        for name, path in names.items()
    }
    return json.dumps(entries, indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = models.trained_names()
    parser.add_argument("names", nargs="*", help=f"recipes; by default those of all networks: {', '.join(names)}")
    parser.add_argument("--cards", action="store_true", help="write table and cards again from the files")
    arguments = parser.parse_args()
    for name in arguments.names or names:
        if arguments.cards:
            file_of(name, "md").write_text(card(name), encoding="utf-8")
        else:
            recipes.train(recipes.read_recipe(name), file_of(name), resume=True)
        TABLE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
