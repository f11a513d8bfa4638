"""The page that goes with a trained network: what it is, what it learnt, and how well."""

from __future__ import annotations

from .reading import Recipe

TITLES = {
    "cifar10": "CIFAR-10",
    "mnist": "MNIST",
    "scenes": "Scenes",
    "deck": "Scenes",
    "folder": "a folder of pictures",
}
CREDITS = {
    "cifar10": 'A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009',
    "mnist": "Y. LeCun, C. Cortes, C. Burges, the MNIST database of handwritten digits, 1998",
    "scenes": "drawn by code, `salkit.data.scenes`",
    "deck": "drawn by code, `salkit.data.scenes`",
    "folder": "pictures of one's own",
}

CARD = """\
# {name}, trained on {data}

- **Network**: `salkit.models.ARCHITECTURES["{architecture}"]({arguments})`, {parameters:,} parameters, stored in 16 bits.
- **Input and output**: images in [0, 1], `(N, {shape})`; logits: {classes}.
- **Data**: {source}. {images:,} training images (SHA-256 of the tensors: `{digest}...`); {choice}
- **Recipe**: `{fits}`; see `{file}`.
- **Trained**: {date}, on {device}, torch {torch}; {epochs} epochs, weights of epoch {best_epoch}.
- **Accuracy on the images that chose the epoch**: {val_accuracy:.2%}.
- **Test accuracy**: **{accuracy:.2%}** of {tested:,} images (cross-entropy {loss:.4f}), looked at once.

For teaching: small, quickly trained, and no reference for what this architecture can reach.
It knows {known} classes, and gives one of them to any picture.

Data: {credit}.
The weights are under the licence of the code.
"""  # noqa: E501


def card(recipe: Recipe, record: dict) -> str:
    """The model card, in Markdown, of the network with this record (see ``salkit.models.read_metadata``)."""
    history = record["history"]
    chosen_by = record.get("chosen_by", 5_000)  # the oldest files don't say
    choice = f"{chosen_by:,} more chose the epoch." if chosen_by else "learnt by heart, they chose the epoch as well."
    seed = {"seed": record["seed"]} if record.get("seed") else {}
    fits = [f"fit({_arguments({**options, **seed})})" for options in (*record.get("before", ()), record["recipe"])]
    dataset = recipe.stages[-1].data["dataset"]
    return CARD.format(
        name=recipe.name,
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
        fits="`, then `".join(fits),
        file=recipe.file,
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


def _arguments(values: dict) -> str:
    # An attack is a name in a recipe, and a function for fit.
    return ", ".join(f"{key}={value if key == 'attack' else repr(value)}" for key, value in values.items())
