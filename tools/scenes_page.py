"""Draw the pictures of book/scenes.md: what Scenes look like, what each dial does, which masks come along.

Run as ``python -m tools.scenes_page``, after a change of what Scenes or events draw. Takes some seconds.

Each picture carries a digest of the panels and labels that went into it. So a test can say that a picture is out of
date without drawing it: matplotlib's letters differ from version to version, the panels don't.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from salkit._cache import write_file
from salkit.course.known_events import EVENT_CLASSES, events
from salkit.data import ImageSet
from salkit.data.scenery import CLASSES, MARK_KINDS, PARTS_OF, scene_pairs, scenes
from salkit.display import Figure, grid
from salkit.display.style import DPI, PALETTE, letters, styled

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_static"
KEY = "digest of the inputs"  # under which a picture's file holds it

# The same scenes throughout, so that two pictures differ by what the dial did. Without pixel noise the files are small.
SIZE, SEED = 96, 54
SHOWN = ("automobile", "cat", "deer", "frog", "ship")
ONE = "horse"


@dataclass(frozen=True)
class Sheet:
    """A table of pictures and masks, drawn by ``salkit.display.grid``.

    Attributes:
        rows: of ``(3, H, W)`` uint8 pictures and ``(H, W)`` bool masks; ``None`` for an empty place.
        row_labels, column_labels, titles: as ``grid`` takes them.
        cell: width of a panel in inches.
    """

    rows: list[list[Tensor | None]]
    row_labels: list[str] | None = None
    column_labels: list[str] | None = None
    titles: list[list[str | None]] | None = None
    cell: float = SIZE / DPI  # each pixel of a scene is one of the figure

    def digest(self) -> str:
        """SHA-256 of everything that is drawn."""
        sha = hashlib.sha256(repr((self.row_labels, self.column_labels, self.titles, self.cell)).encode())
        for panel in (panel for row in self.rows for panel in row):
            sha.update(b"empty" if panel is None else f"{panel.dtype} {tuple(panel.shape)}".encode())
            sha.update(b"" if panel is None else panel.contiguous().numpy())
        return sha.hexdigest()

    def figure(self) -> Figure:
        return grid(self.rows, self.row_labels, self.column_labels, titles=self.titles, cell=self.cell)


@dataclass(frozen=True)
class Series:
    """Time series with their events and distractors marked, one under the other."""

    data: ImageSet

    def digest(self) -> str:
        """SHA-256 of everything that is drawn."""
        sha = hashlib.sha256(self.data.digest().encode())
        for name in ("event", "distractor"):
            sha.update(self.data.masks[name].contiguous().numpy())
        return sha.hexdigest()

    def figure(self) -> Figure:
        with styled():
            figure = Figure(figsize=(7.2, 4.6))
            plots = figure.subplots(len(self.data), 1, sharex=True, sharey=True)
            for i, axes in enumerate(plots):
                axes.plot(self.data.pixels()[i, 0, 0], color="#222222", linewidth=1.4)
                axes.set_ylim(0.05, 1.1)  # room for the words
                axes.set_yticks([0.2, 0.5, 0.8])
                axes.set_ylabel(EVENT_CLASSES[self.data.labels[i]])
                for name, colour, hatch in (("event", PALETTE[1], None), ("distractor", PALETTE[4], "///")):
                    for start, end in _runs(self.data.masks[name][i, 0]):
                        axes.axvspan(start, end, color=colour, alpha=0.25, hatch=hatch, linewidth=0)
                        axes.text((start + end) / 2, 1.07, name, color=letters(colour), fontsize=8.5,
                                  ha="center", va="top")  # fmt: skip
            plots[-1].set_xlabel("time")
            plots[-1].set_xlim(0, self.data.images.shape[-1] - 1)
            figure.tight_layout(h_pad=0.6)
        return figure


def _runs(mask: Tensor) -> list[tuple[float, float]]:
    """Where each unbroken stretch of True begins and ends."""
    padded = torch.cat([torch.tensor([False]), mask, torch.tensor([False])]).int().diff()
    begins, ends = (padded == 1).nonzero().flatten().tolist(), (padded == -1).nonzero().flatten().tolist()
    return [(begin - 0.5, end - 0.5) for begin, end in zip(begins, ends, strict=True)]


def _drawn(n: int = 10, **options) -> ImageSet:
    return scenes(n, **{"size": SIZE, "seed": SEED, "noise": 0, "cache": False} | options)


def _first(data: ImageSet, names=SHOWN) -> list[int]:
    """The number of the first scene of each of these classes."""
    return [int((data.labels == data.classes.index(name)).nonzero()[0]) for name in names]


def _row(names=SHOWN, **options) -> list[Tensor]:
    data = _drawn(**options)
    return list(data.images[_first(data, names)])


def _in_rows_of_five(items: list) -> list[list]:
    return [items[start : start + 5] for start in range(0, len(items), 5)]


def each_class() -> Sheet:
    data = _drawn(size=128)
    pictures = list(data.images[_first(data, CLASSES)])
    return Sheet(_in_rows_of_five(pictures), titles=_in_rows_of_five(list(CLASSES)), cell=1.28)


def masks() -> Sheet:
    """One scene with everything that is known about it."""
    name = "deer"
    data = _drawn(mark="tag")
    (i,) = _first(data, [name])
    shown = ["object", "mark", "background", *PARTS_OF[name]]
    panels = [data.images[i], *(data.masks[mask][i] for mask in shown)]
    return Sheet(_in_rows_of_five(panels), titles=_in_rows_of_five(["picture", *shown]))


def background() -> Sheet:
    rows = [_row(), _row(background_bias=1), _row(background_bias=1, counter=True)]
    return Sheet(rows, ["bias 0", "bias 1", "bias 1,\ncounter"], list(SHOWN))


def marks() -> Sheet:
    rows, labels = [], []
    for kind in MARK_KINDS:
        data = _drawn(mark=kind, mark_bias=1)
        chosen = _first(data)
        rows += [list(data.images[chosen]), list(data.masks["mark"][chosen])]
        labels += [f'"{kind}"', "its mask"]
    rows.append(_row(mark="corner", mark_bias=1, counter=True))
    return Sheet(rows, [*labels, '"corner",\ncounter'], list(SHOWN))


def dials() -> Sheet:
    """One scene, each row with another dial turned from left to right."""
    turned = {
        "occlusion": (0.0, 0.2, 0.4, 0.6, 0.9),
        "noise": (0.0, 0.01, 0.05, 0.1, 0.2),
        "size": (16, 24, 32, 64, 128),
        "objects": (1, 2, 4, 6, 9),
    }
    # Noise can't be compressed, so its row is drawn small.
    rows = [
        [_row([ONE], **{"size": 48 if dial == "noise" else SIZE, dial: value})[0] for value in values]
        for dial, values in turned.items()
    ]
    return Sheet(rows, list(turned), titles=[[str(value) for value in values] for values in turned.values()])


def pairs() -> Sheet:
    first, second = scene_pairs(4, size=SIZE, seed=5, noise=0, cache=False)
    rows = [list(first.images), list(first.masks["object"]), list(second.masks["object"])]
    names = [[data.classes[label] for label in data.labels] for data in (first, second)]
    titles = [[None] * 4, *names]
    return Sheet(rows, ["picture", "first", "second"], titles=titles)


def series() -> Series:
    data = events(12)
    return Series(data[torch.tensor([int((data.labels == k).nonzero()[0]) for k in range(len(EVENT_CLASSES))])])


PICTURES: dict[str, Callable[[], Sheet | Series]] = {
    "scenes-classes.png": each_class,
    "scenes-masks.png": masks,
    "scenes-background.png": background,
    "scenes-marks.png": marks,
    "scenes-dials.png": dials,
    "scenes-pairs.png": pairs,
    "scenes-events.png": series,
}


def png(drawing: Sheet | Series) -> bytes:
    """The file's content: at most 256 colours, which is a third of the bytes and looks the same."""
    buffer = io.BytesIO()
    drawing.figure().savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.05)
    picture = Image.open(buffer).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=8)
    notes = PngInfo()
    notes.add_text(KEY, drawing.digest())
    out = io.BytesIO()
    picture.save(out, format="png", optimize=True, pnginfo=notes)
    return out.getvalue()


def main() -> int:
    total = 0
    for name, make in PICTURES.items():
        content = png(make())
        write_file(FOLDER / name, content)
        total += len(content)
        print(f"{name:24} {len(content) / 1000:6.1f} kB")
    print(f"{'together':24} {total / 1000:6.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
