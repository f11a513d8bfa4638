"""Train the networks of the course, and ship their weights with the package.

    python -m tools.checkpoints                # all of them
    python -m tools.checkpoints resnet18 fc    # some
    python -m tools.checkpoints --cards        # only write the model cards again, from the files

Each network becomes ``salkit/models/weights/<data>-<name>.safetensors`` with a model card beside it; the data is
CIFAR-10 where a name does not say another. The validation images are split from the training images; the test images
are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from salkit import data, models
from salkit.attack import pgd
from salkit.sanity import permute_labels
from salkit.training import evaluate, fit

FOLDER = Path(__file__).parents[1] / "salkit" / "models" / "weights"
VALIDATION = 5_000


class Images(NamedTuple):
    """What a recipe learns from, what chooses its epoch, and what it is tested on."""

    learn: data.ImageSet
    choose: data.ImageSet
    test: data.ImageSet


def real(load: Callable[[str], data.ImageSet], *, n: int | None = None, size: int | None = None) -> Images:
    """The images of ``load``, one of ``salkit.data``'s; ``n`` of them to learn from, at ``size`` pixels."""
    learn, choose = load("train").split(VALIDATION, seed=0)
    learn = learn if n is None else learn.split(n, seed=0)[1]
    images = Images(learn, choose, load("test"))
    return images if size is None else Images(*(part.resized(size) for part in images))


def by_heart(load: Callable[[str], data.ImageSet], *, n: int, permuted: bool) -> Images:
    """``n`` images to learn by heart, so that they also choose the epoch; with true or with permuted labels."""
    learn = real(load, n=n).learn
    learn = permute_labels(learn, seed=0) if permuted else learn
    return Images(learn, learn, load("test"))


# Three decks of deer and dogs: how often the background is the class's own (of two), and the bias of the paint on the
# objects. Which blind network of chapter 11 learnt from which deck is drawn from a seed, so that the answer does not
# stand here to be read by accident.
_DECKS = ((0.5, 0.0), (0.95, 0.0), (0.5, 0.9))
_SHUFFLE = 2019


def drawn(*, n: int, size: int) -> Images:
    """Scenes in a size between CIFAR-10's and a photograph's."""
    learn, choose = data.scenes(n, size=size, seed=0).split(500, seed=0)
    return Images(learn, choose, data.scenes(500, size=size, seed=1))


def dealt(place: int) -> Images:
    """The scenes of the blind network in this place; learnt from, chosen by and tested on scenes of the same deck."""
    order = torch.randperm(len(_DECKS), generator=torch.Generator().manual_seed(_SHUFFLE))
    own, paint = _DECKS[order[place]]
    return Images(*(_cards(n, seed, own, paint) for n, seed in ((2_000, 1_100), (500, 1_101), (500, 1_102))))


def _cards(n: int, seed: int, own: float, paint: float) -> data.ImageSet:
    options = dict(classes=("deer", "dog"), background_bias=1, seed=seed)
    usual, unusual = (data.scenes(n, counter=counter, **options) for counter in (False, True))
    take = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < own
    mixed = torch.where(take[:, None, None, None], usual.images, unusual.images)
    return data.tint_objects(replace(usual, images=mixed), paint, seed=seed)


class Recipe(NamedTuple):
    """How a network came to be: everything that ``python -m tools.checkpoints`` needs to make it again.

    Attributes:
        architecture: a name in ``models.ARCHITECTURES``.
        kwargs: its arguments. Strides: see the docstrings of the networks.
        fit: the options of ``fit``. On a CPU, bfloat16 and compilation each save about half of the time where they
            are switched on.
        images: a function that gives the :class:`Images`.
        before: recipes of ``fit`` that come first, each with its own images: ``((images, options), ...)``.
    """

    architecture: str
    kwargs: dict
    fit: dict
    images: Callable[[], Images] = partial(real, data.cifar10)
    before: tuple = ()


_QUICK = dict(mixed_precision=True, compile=True)
# Nothing that keeps a network from learning by heart.
_BY_HEART = dict(batch_size=50, weight_decay=0.0, label_smoothing=0.0, shift=None, compile=True)
_THREE = "cnn_48_96_192"
_DIGITS = dict(channels=1, size=28)

RECIPES = {
    "fc": Recipe("fc", dict(), dict(epochs=24, lr=0.05)),
    "shallow_cnn": Recipe("shallow_cnn", dict(), dict(epochs=12, lr=0.02)),
    "resnet18": Recipe("resnet18", dict(strides=(1, 2)), dict(epochs=14, lr=0.1, **_QUICK)),
    "efficientnet_b0": Recipe(
        "efficientnet_b0",
        dict(strides=(2, 1), dropout=0.0, stochastic_depth=0.0),
        dict(epochs=14, lr=0.1, compile=True),
    ),
    "small_cnn": Recipe("small_cnn", dict(), dict(epochs=16, lr=0.1, **_QUICK)),
    "small_cnn_robust": Recipe("small_cnn", dict(), dict(epochs=16, lr=0.1, **_QUICK, attack="pgd")),
    # For the sanity checks: one architecture, labels that mean something and labels that don't.
    _THREE: Recipe(_THREE, dict(), dict(epochs=5, lr=0.05, batch_size=64, shift=1, **_QUICK)),
    f"{_THREE}_2000": Recipe(
        _THREE, dict(), dict(epochs=25, lr=0.02, **_BY_HEART), partial(by_heart, data.cifar10, n=2000, permuted=False)
    ),
    f"{_THREE}_permuted": Recipe(
        _THREE, dict(), dict(epochs=40, lr=0.02, **_BY_HEART), partial(by_heart, data.cifar10, n=2000, permuted=True)
    ),
    f"mnist-{_THREE}": Recipe(
        _THREE, _DIGITS, dict(epochs=1, lr=0.05, batch_size=64, shift=None, **_QUICK), partial(real, data.mnist)
    ),
    f"mnist-{_THREE}_permuted": Recipe(
        _THREE, _DIGITS, dict(epochs=40, lr=0.02, **_BY_HEART), partial(by_heart, data.mnist, n=2000, permuted=True)
    ),
    # At 64 pixels, the size of the source's digits in chapter 8.
    "alexnet": Recipe(
        "alexnet", dict(), dict(epochs=5, lr=0.03, **_QUICK), partial(real, data.cifar10, n=25_000, size=64)
    ),
    # At 32 pixels first, where an image costs a quarter.
    "vgg11": Recipe(
        "vgg11",
        dict(),
        dict(epochs=1, lr=0.01, **_QUICK),
        partial(real, data.cifar10, n=5_000, size=64),
        before=((partial(real, data.cifar10, n=20_000), dict(epochs=5, lr=0.05, **_QUICK)),),
    ),
    # What stands in for ImageNet's networks in chapter 12 where there are none.
    "scenes-small_cnn_128": Recipe(
        "small_cnn",
        dict(strides=(2, 2, 2, 2, 1)),
        dict(epochs=9, lr=0.1, batch_size=64, shift=12, mixed_precision=True),
        partial(drawn, n=3_500, size=128),
    ),
    # The blind exercise of chapter 11: one recipe, three decks.
    **{
        f"scenes-blind_{letter}": Recipe(
            "small_cnn", dict(num_classes=2, width=8), dict(epochs=8, lr=0.05, batch_size=32), partial(dealt, place)
        )
        for place, letter in enumerate("abc")
    },
}


def pgd_from_anywhere(model, images, labels):
    """Two steps of PGD within 8/255 from a new random start each time, in bfloat16 as the training step."""
    seed = int(torch.randint(2**31, ()))
    with torch.autocast(images.device.type, torch.bfloat16):
        return pgd(model, images, labels, eps=8 / 255, steps=2, step_size=6 / 255, seed=seed)


# Adversarial training, by its name in a recipe.
ATTACKS = {"pgd": pgd_from_anywhere}

TITLES = {"cifar10": "CIFAR-10", "mnist": "MNIST", "scenes": "Scenes"}
CREDITS = {
    "cifar10": 'A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009',
    "mnist": "Y. LeCun, C. Cortes, C. Burges, the MNIST database of handwritten digits, 1998",
    "scenes": "drawn by code, `salkit.data.scenes`",
}

CARD = """\
# {name}, trained on {data}

- **Network**: `salkit.models.ARCHITECTURES["{architecture}"]({arguments})`, {parameters:,} parameters, stored in 16 bits.
- **Input and output**: images in [0, 1], `(N, {shape})`; logits: {classes}.
- **Data**: {source}. {images:,} training images (SHA-256 of the tensors: `{digest}...`); {choice}
- **Recipe**: `{recipe}`; see `tools/checkpoints.py`.
- **Trained**: {date}, on {device}, torch {torch}; {epochs} epochs, weights of epoch {best_epoch}.
- **Accuracy on the images that chose the epoch**: {val_accuracy:.2%}.
- **Test accuracy**: **{accuracy:.2%}** of {tested:,} images (cross-entropy {loss:.4f}), looked at once.

For teaching: small, quickly trained, and no reference for what this architecture can reach.
It knows {known} classes, and gives one of them to any picture.

Data: {credit}.
The weights are under the licence of the code.
"""  # noqa: E501


def file_of(name: str, ending: str = "safetensors") -> Path:
    return FOLDER / f"{name if '-' in name else f'cifar10-{name}'}.{ending}"


def train(name: str, device: torch.device) -> Path:
    """Train one network, and write its checkpoint."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    model = models.ARCHITECTURES[recipe.architecture](**recipe.kwargs).to(device)
    started = time.perf_counter()
    for prepare, options in (*recipe.before, (recipe.images, recipe.fit)):
        images = prepare()
        options = {**options, "attack": ATTACKS[options["attack"]]} if "attack" in options else options
        history = fit(model, images.learn, images.choose, **options)
        print(history)
    return save(name, model, history, time.perf_counter() - started, images)


def save(name: str, model, history, seconds: float, images: Images) -> Path:
    recipe = RECIPES[name]
    path = file_of(name)
    options = dict(
        architecture=recipe.architecture,
        kwargs=recipe.kwargs,
        history=history,
        recipe=recipe.fit,
        before=[options for _, options in recipe.before],
        data=images.learn,
        half=True,
        input=list(images.test.images.shape[1:]),
        # Learnt by heart, the training images are also those that chose.
        chosen_by=0 if images.choose is images.learn else len(images.choose),
    )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"a CPU ({platform.machine()})"
    # The 16 bits that are shipped are what gets tested.
    models.save_checkpoint(path, model, **options)
    loss, accuracy = evaluate(models.load_checkpoint(path), images.test)
    result = dict(accuracy=accuracy, loss=loss, images=len(images.test))
    models.save_checkpoint(path, model, **options, test=result, device=device, seconds=seconds)
    write_card(name)
    return path


def card(name: str) -> str:
    """The model card of a shipped network, from the record in its file."""
    record = models.trained_metadata(name)
    history, recipe = record["history"], record["recipe"]
    chosen_by = record.get("chosen_by", VALIDATION)
    choice = f"{chosen_by:,} more chose the epoch." if chosen_by else "learnt by heart, they chose the epoch as well."
    runs = [f"fit({_arguments(options)})" for options in (*record.get("before", ()), recipe)]
    dataset = file_of(name).name.split("-")[0]
    return CARD.format(
        name=name,
        data=TITLES[dataset],
        architecture=record["architecture"],
        arguments=_arguments(record["kwargs"]),
        parameters=record["parameters"],
        shape=", ".join(map(str, record.get("input", (3, 32, 32)))),
        classes=", ".join(record["classes"]),
        known=len(record["classes"]),
        source=record["data"]["source"],
        images=record["data"]["images"],
        digest=record["data"]["digest"][:12],
        choice=choice,
        recipe="`, then `".join(runs),
        date=record["date"],
        device=record["device"],
        torch=record["versions"]["torch"],
        epochs=len(history["rows"]),
        best_epoch=history["best_epoch"],
        val_accuracy=history["rows"][history["best_epoch"] - 1]["val_accuracy"],
        tested=record["test"]["images"],
        credit=CREDITS[dataset],
        **{key: record["test"][key] for key in ("accuracy", "loss")},
    )


def write_card(name: str) -> Path:
    path = file_of(name, "md")
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
