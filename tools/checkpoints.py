"""Train the networks of the course on CIFAR-10, and ship their weights with the package.

    python -m tools.checkpoints                # all of them
    python -m tools.checkpoints resnet18 fc    # some
    python -m tools.checkpoints --cards        # only write the model cards again, from the files

Each network becomes ``salkit/models/weights/cifar10-<name>.safetensors`` with a model card beside it.
The validation images are split from the training images; the test images are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import torch

from salkit import data, models
from salkit.attack import pgd
from salkit.training import evaluate, fit

FOLDER = Path(__file__).parents[1] / "salkit" / "models" / "weights"
VALIDATION = 5_000

# Name: architecture, its options, and those of fit. Strides: see the docstrings of the networks.
# On a CPU, bfloat16 and compilation each save about half of the time where they are switched on.
RECIPES = {
    "fc": ("fc", dict(), dict(epochs=24, lr=0.05)),
    "shallow_cnn": ("shallow_cnn", dict(), dict(epochs=12, lr=0.02)),
    "resnet18": ("resnet18", dict(strides=(1, 2)), dict(epochs=14, lr=0.1, mixed_precision=True, compile=True)),
    "efficientnet_b0": (
        "efficientnet_b0",
        dict(strides=(2, 1), dropout=0.0, stochastic_depth=0.0),
        dict(epochs=14, lr=0.1, compile=True),
    ),
    "small_cnn": ("small_cnn", dict(), dict(epochs=16, lr=0.1, mixed_precision=True, compile=True)),
    "small_cnn_robust": (
        "small_cnn",
        dict(),
        dict(epochs=16, lr=0.1, mixed_precision=True, compile=True, attack="pgd"),
    ),
}


def pgd_from_anywhere(model, images, labels):
    """Two steps of PGD within 8/255 from a new random start each time, in bfloat16 as the training step."""
    seed = int(torch.randint(2**31, ()))
    with torch.autocast(images.device.type, torch.bfloat16):
        return pgd(model, images, labels, eps=8 / 255, steps=2, step_size=6 / 255, seed=seed)


# Adversarial training, by its name in a recipe.
ATTACKS = {"pgd": pgd_from_anywhere}

CARD = """\
# {name}, trained on CIFAR-10

- **Network**: `salkit.models.ARCHITECTURES["{architecture}"]({arguments})`, {parameters:,} parameters, stored in 16 bits.
- **Input and output**: images in [0, 1], `(N, 3, 32, 32)`; ten logits: {classes}.
- **Data**: {source}. {images:,} training images (SHA-256 of the tensors: `{digest}...`); {validation:,} more chose the epoch.
- **Recipe**: `fit({recipe})`; see `tools/checkpoints.py`.
- **Trained**: {date}, on {device}, torch {torch}; {epochs} epochs, weights of epoch {best_epoch}.
- **Validation accuracy**: {val_accuracy:.2%}.
- **Test accuracy**: **{accuracy:.2%}** of 10,000 images (cross-entropy {loss:.4f}), looked at once.

For teaching: small, quickly trained, and no reference for what this architecture can reach.
It knows ten classes, and gives one of them to any picture.

Data: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
The weights are under the licence of the code.
"""  # noqa: E501


def train(name: str, device: torch.device) -> Path:
    """Train one network, and write its checkpoint."""
    architecture, kwargs, recipe = RECIPES[name]
    options = {**recipe, "attack": ATTACKS[recipe["attack"]]} if "attack" in recipe else recipe
    learn, choose = data.cifar10("train").split(VALIDATION, seed=0)
    torch.manual_seed(0)
    model = models.ARCHITECTURES[architecture](**kwargs).to(device)
    started = time.perf_counter()
    history = fit(model, learn, choose, **options)
    seconds = time.perf_counter() - started
    print(history)
    return save(name, model, history, seconds, learn, data.cifar10("test"))


def save(name: str, model, history, seconds: float, learn: data.ImageSet, test: data.ImageSet) -> Path:
    architecture, kwargs, recipe = RECIPES[name]
    path = FOLDER / f"cifar10-{name}.safetensors"
    options = dict(architecture=architecture, kwargs=kwargs, history=history, recipe=recipe, data=learn, half=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"a CPU ({platform.machine()})"
    # The 16 bits that are shipped are what gets tested.
    models.save_checkpoint(path, model, **options)
    loss, accuracy = evaluate(models.load_checkpoint(path), test)
    result = dict(accuracy=accuracy, loss=loss, images=len(test))
    models.save_checkpoint(path, model, **options, test=result, device=device, seconds=seconds)
    write_card(name)
    return path


def card(name: str) -> str:
    """The model card of a shipped network, from the record in its file."""
    record = models.trained_metadata(name)
    history, recipe = record["history"], record["recipe"]
    return CARD.format(
        name=name,
        architecture=record["architecture"],
        arguments=_arguments(record["kwargs"]),
        parameters=record["parameters"],
        classes=", ".join(record["classes"]),
        source=record["data"]["source"],
        images=record["data"]["images"],
        digest=record["data"]["digest"][:12],
        validation=VALIDATION,
        recipe=_arguments(recipe),
        date=record["date"],
        device=record["device"],
        torch=record["versions"]["torch"],
        epochs=len(history["rows"]),
        best_epoch=history["best_epoch"],
        val_accuracy=history["rows"][history["best_epoch"] - 1]["val_accuracy"],
        **{key: record["test"][key] for key in ("accuracy", "loss")},
    )


def write_card(name: str) -> Path:
    path = FOLDER / f"cifar10-{name}.md"
    path.write_text(card(name), encoding="utf-8")
    return path


def _arguments(values: dict) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; all by default")
    parser.add_argument("--cards", action="store_true", help="write the model cards again from the files")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(RECIPES):
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in arguments.names or RECIPES:
        print(write_card(name) if arguments.cards else train(name, device))


if __name__ == "__main__":
    main()
