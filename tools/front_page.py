"""The first page: its picture, and its list of chapters with the time that each takes.

Run as ``python -m tools.front_page`` after a chapter was added, renamed, rewritten or executed; it writes
``book/_static/front.png`` and what stands between the markers in ``book/index.md``. With ``contents`` behind it the
picture stays as it is, which takes no network and a second.

The time to read is the chapter's words at 200 a minute, without its code. The times to run were measured:
``benchmarks.chapters`` measures the small profile, and a chapter's record holds how long the run took that is shown.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import jupytext
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib import font_manager as fonts
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks import chapters as chapter_times
from salkit._cache import write_file

from . import chapters, records

PAGE = chapters.BOOK / "index.md"
PICTURE = chapters.BOOK / "_static" / "front.png"
BEGIN, END = "<!-- chapters: begin -->", "<!-- chapters: end -->"
WORDS_A_MINUTE = 200
NOT_MEASURED = "not measured"

PARTS = {
    "One: looking inside": range(1, 8),
    "Two: can we trust it?": range(8, 11),
    "Three: what it is good for": range(11, 14),
}
# What a chapter is about, in one line.
LINES = {
    1: "four networks, from 2 to 11 million weights, and what a table of accuracies does not tell.",
    2: "the gradient as a map, what its sign costs, and whether it lies on the object.",
    3: "SmoothGrad, integrated gradients, guided backpropagation, DeepLift; and what colours do to one map.",
    4: "maps of a layer, two classes in one image, and which layer to ask.",
    5: "cover a part and watch the score, where no gradient is to be had.",
    6: "what would the network like to see?",
    7: "the gradient as a weapon, and what a defence costs.",
    8: "networks that have learnt nonsense by heart: do their maps look different?",
    9: "take the weights away, layer by layer: which maps notice?",
    10: "every method on pictures whose right answer is known.",
    11: "a detective story: a network that is right for the wrong reason.",
    12: "ImageNet networks, your photograph, and a report to hand on.",
    13: "a forecast taken apart month by month, and series whose events are known.",
}


# ------------------------------------------------------------------------------------------------- the chapters


@dataclass(frozen=True)
class Times:
    """What a chapter takes, each in words: to read, to run in the small profile, in full on a CPU and on a GPU."""

    read: str
    fast: str
    cpu: str
    gpu: str


def words(notebook) -> int:
    """How many words of prose a chapter has: no code, no formulas on lines of their own, no links' addresses."""
    prose = "\n".join(records.bare(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"\$\$.*?\$\$|```.*?```|</?[a-z][^>\n]*>|\]\([^)]*\)|\{cite:\w\}`[^`]*`", " ", prose, flags=re.S)
    return len(re.findall(r"[^\W_][\w'’.,-]*", prose))


def duration(seconds: float | None) -> str:
    """``40 s``, ``3 min``: as coarse as another machine makes it anyway."""
    if seconds is None:
        return NOT_MEASURED
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 95 else f"{round(seconds / 60)} min"


def times(source: Path, figures: dict) -> Times:
    """What a chapter takes, from its prose, its record and the benchmark."""
    record = chapters.read_twin(source).metadata.get("salkit", {})
    ran_on = "cpu" if record.get("device", "").startswith("cpu") else "gpu"
    found = {kind: figure["seconds"] for kind, figure in figures.get(source.stem, {}).items()}
    if "seconds" in record:
        found[ran_on] = record["seconds"]
    fast, cpu, gpu = (duration(found.get(kind)) for kind in ("fast", "cpu", "gpu"))
    return Times(f"{round(words(jupytext.read(source, fmt='md:myst')) / WORDS_A_MINUTE)} min", fast, cpu, gpu)


def title(source: Path) -> str:
    return re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.M)[1]


def contents(sources: list[Path] | None = None, figures: dict | None = None) -> str:
    """The list of parts and chapters, and the table of times, in Markdown.

    Raises:
        SystemExit: a chapter that ``LINES`` or ``PARTS`` does not know.
    """
    if sources is None:
        sources = [source for source in chapters.chapters() if chapters.twin_of(source).exists()]
    figures = chapter_times.measured() if figures is None else figures
    by_number = {int(source.stem[:2]): source for source in sources}
    planned = {number for numbers in PARTS.values() for number in numbers}
    if unknown := set(by_number) - (planned & set(LINES)):
        raise SystemExit(f"tools/front_page.py: say in PARTS and LINES what chapter {min(unknown)} is about")
    takes = {number: times(source, figures) for number, source in by_number.items()}
    blocks = []
    for part, numbers in PARTS.items():
        lines = [
            f"{n}. [{title(by_number[n])}](book/{chapters.twin_of(by_number[n]).name}): {LINES[n]} *{takes[n].read}*"
            for n in numbers
            if n in by_number
        ]
        if lines:
            blocks.append("\n".join([f"### Part {part}", "", *lines]).replace("](book/", "]("))
    rows = [
        f"| {n}. {title(by_number[n])} | {t.read} | {t.fast} | {t.cpu} | {t.gpu} |" for n, t in sorted(takes.items())
    ]
    table = ["| chapter | to read | to run, fast | in full, CPU | in full, GPU |", "|---|---|---|---|---|", *rows]
    return "\n\n".join([*blocks, "### How long it takes", "\n".join(table)])


def page(text: str) -> str:
    """The first page with what is generated in its place.

    Raises:
        SystemExit: the markers are not there, once each and in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise SystemExit(f"{PAGE.name} needs the lines {BEGIN} and {END}, once each")
    note = "<!-- Written by python -m tools.front_page: edit that, not this. -->"
    return f"{before}{BEGIN}\n{note}\n\n{contents()}\n\n{END}{after}"


# -------------------------------------------------------------------------------------------------- the picture

NETWORK, CLASS = "small_cnn", "cat"
SIDE = 64  # pixels that the network sees
SCALE = 4  # pixels of the figure for each
GAP, STRIP = 10, 40
# The largest one in two hundred values is painted as the brightest, or single pixels would darken all others.
PERCENTILE = 99.5
FRAME, LETTERS = (20, 8, 48), (255, 255, 255)
TILES = ("the photograph", "gradient", "SmoothGrad", "Grad-CAM", "guided backprop", "edges, no network")


def photograph() -> Tensor:
    """``(1, 3, 256, 256)`` in [0, 1]: the face of Chelsea, from scikit-image."""
    from skimage import data

    image = torch.from_numpy(data.chelsea().copy()).permute(2, 0, 1)[None, :, :300, 75:375] / 255
    side = SIDE * SCALE
    return torch.nn.functional.interpolate(image, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def panels(network: str = NETWORK) -> list[np.ndarray]:
    """One ``(256, 256, 3)`` uint8 picture for each of ``TILES``: the same photograph, network and class in all."""
    import salkit
    from salkit.display import heatmap

    large = photograph()
    small = torch.nn.functional.interpolate(large, (SIDE, SIDE), mode="bilinear", antialias=True)
    model = salkit.models.trained(network)
    label = salkit.data.CIFAR10_CLASSES.index(CLASS)
    maps = [
        salkit.gradient(model, small, label),
        salkit.smoothgrad(model, small, label, noise_level=0.1),
        salkit.gradcam(model, small, label),
        salkit.guided_backprop(model, small, label),
        salkit.edge_map(model, small),
    ]
    magma = colormaps["magma"]
    painted = [(255 * magma(heatmap(m, "max_abs", percentile=PERCENTILE)[0].numpy())[..., :3]).round() for m in maps]
    enlarged = [np.kron(picture, np.ones((SCALE, SCALE, 1))).astype(np.uint8) for picture in painted]
    return [(255 * large[0].permute(1, 2, 0)).round().byte().numpy(), *enlarged]


def picture(tiles: list[np.ndarray]) -> bytes:
    """Two rows of three on one dark card, which looks the same in light and in dark mode; 256 colours are enough."""
    side = SIDE * SCALE
    width, height = 3 * side + 4 * GAP, 2 * (side + STRIP) + GAP
    card = Image.new("RGB", (width, height), FRAME)
    draw = ImageDraw.Draw(card)
    font = ImageFont.truetype(fonts.findfont("DejaVu Sans"), 24)
    for i, (name, tile) in enumerate(zip(TILES, tiles, strict=True)):
        left, top = GAP + (i % 3) * (side + GAP), GAP + (i // 3) * (side + STRIP)
        card.paste(Image.fromarray(tile), (left, top))
        draw.text((left + side / 2, top + side + STRIP / 2 - 3), name, LETTERS, font, anchor="mm")
    buffer = io.BytesIO()
    card.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=8).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def main(arguments: list[str]) -> int:
    outputs = {PAGE: page(PAGE.read_text(encoding="utf-8")).encode()}
    if arguments != ["contents"]:
        outputs[PICTURE] = picture(panels())
    for path, content in outputs.items():
        write_file(path, content)
        print(f"wrote {path.relative_to(chapters.ROOT)}, {len(content) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
