"""What the book says of its chapters on other pages: the cards of the first page, and how long a chapter takes.

The extension ``tools/extensions/blocks.py`` puts both into the pages while the book is built. A card has the chapter's
title, its question (``description`` in the chapter's front matter), the time to read it, and a picture cut out of a
figure that lies in its notebook. ``card`` in the front matter may say which one::

    card:
      figure: words that stand in the figure's alternative text, and in no other's; without it the first figure is taken
      crop: [0, 0.1, 0.5, 1]  # left, top, right, bottom, as shares of the figure; without it all of the figure
      alt: What the picture shows.

The time to read is the chapter's words at 200 a minute, without its code. The times to run were measured:
``benchmarks.chapters`` measures the small profile, and a chapter's record holds how long the run took that is shown.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode
from PIL import Image, ImageOps

from benchmarks import chapters as chapter_times

from . import build, chapters, records

WORDS_A_MINUTE = 200
CARD = 480, 300  # pixels of a card's picture
CARD_BYTES = 15_000
KINDS = {"read": "to read", "fast": "to run, fast", "cpu": "in full, CPU", "gpu": "in full, GPU"}


@dataclass(frozen=True)
class Card:
    """What the first page says of a chapter: ``page`` is its document's name, ``minutes`` those to read it."""

    number: int
    page: str
    title: str
    question: str
    minutes: int
    picture: Image.Image
    alt: str


def words(notebook: NotebookNode) -> int:
    """How many words of prose a chapter has: no code, no formulas on lines of their own, no links' addresses."""
    prose = "\n".join(records.bare(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"\$\$.*?\$\$|```.*?```|</?[a-z][^>\n]*>|\]\([^)]*\)|\{cite:\w\}`[^`]*`", " ", prose, flags=re.S)
    return len(re.findall(r"[^\W_][\w'’.,-]*", prose))


def minutes(source: Path) -> int:
    """How long a chapter takes to read."""
    return round(words(jupytext.read(source, fmt="md:myst")) / WORDS_A_MINUTE)


def duration(seconds: float) -> str:
    """``40 s``, ``3 min``: as coarse as another machine makes it anyway."""
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 95 else f"{round(seconds / 60)} min"


def times(source: Path, figures: dict) -> dict[str, str]:
    """What a chapter takes, by the ``KINDS`` that are known: from its prose, its record and the benchmark."""
    record = chapters.read_twin(source).metadata.get("salkit", {})
    ran_on = "cpu" if record.get("device", "").startswith("cpu") else "gpu"
    found = {kind: figure["seconds"] for kind, figure in figures.get(source.stem, {}).items()}
    if "seconds" in record:
        found[ran_on] = record["seconds"]
    return {"read": f"{minutes(source)} min"} | {kind: duration(seconds) for kind, seconds in found.items()}


def title(source: Path) -> str:
    return re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.M)[1]


def figures_of(notebook: NotebookNode) -> list[tuple[str, Image.Image]]:
    """The figures that a notebook holds, in its order, each with its alternative text."""
    return [
        (cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""), _read(output.data[kind]))
        for cell in chapters.code_cells(notebook)
        for output in cell.outputs
        for kind in ("image/png", "image/jpeg")
        if kind in output.get("data", {})
    ]


def _read(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")


def card(source: Path) -> Card:
    """What the first page says of a chapter.

    Raises:
        SystemExit: its front matter doesn't say what it is about, or names no figure, or more than one.
    """
    front_matter = jupytext.read(source, fmt="md:myst").metadata
    if "description" not in front_matter:
        raise SystemExit(f"{source.name}: say in its front matter, after 'description:', what the chapter is about")
    wanted = front_matter.get("card", {})
    found = [figure for figure in figures_of(chapters.read_twin(source)) if wanted.get("figure", "") in figure[0]]
    if not found or ("figure" in wanted and len(found) > 1):
        raise SystemExit(f"{source.name}: {len(found)} figures have the words of its card: {wanted.get('figure')!r}")
    alt, picture = found[0]
    left, top, right, bottom = wanted.get("crop", (0, 0, 1, 1))
    width, height = picture.size
    picture = picture.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    page = str(source.with_suffix("").relative_to(source.parents[1]))
    about = front_matter["description"]
    number = int(source.stem[:2])
    said = wanted.get("alt") or f"From chapter {number}: {alt}"
    return Card(number, page, title(source), about[0].upper() + about[1:], minutes(source), picture, said)


def thumbnail(picture: Image.Image) -> bytes:
    """The picture on white as a WebP of ``CARD`` pixels, in at most ``CARD_BYTES``."""
    return webp(ImageOps.pad(picture, CARD, Image.Resampling.LANCZOS, "white"), CARD_BYTES)


def webp(picture: Image.Image, most: int) -> bytes:
    """The picture as WebP, as good as ``most`` bytes allow."""
    for quality in range(85, 0, -5):
        file = io.BytesIO()
        picture.save(file, "webp", quality=quality, method=6)
        if file.tell() <= most:
            break
    return file.getvalue()


def listed(root: Path = chapters.ROOT) -> dict[str, list[Path]]:
    """The parts of the book, each with its chapters that have been executed; parts without chapters are left out."""
    known = set(chapters.chapters(root / "book"))
    found = {
        part: [path for name in pages if (path := root / f"{name}.md") in known and chapters.twin_of(path).exists()]
        for part, pages in build.parts(root)
    }
    return {part: sources for part, sources in found.items() if sources}


def table_of_times(root: Path = chapters.ROOT, figures: dict | None = None) -> str:
    """How long each chapter takes, in Markdown: a column for each kind of time that is known of some chapter."""
    figures = chapter_times.measured() if figures is None else figures
    sources = [source for part in listed(root).values() for source in part]
    rows = {f"{int(source.stem[:2])}. {title(source)}": times(source, figures) for source in sources}
    kinds = [kind for kind in KINDS if any(kind in row for row in rows.values())]
    lines = [["chapter", *(KINDS[kind] for kind in kinds)], ["---"] * (len(kinds) + 1)]
    lines += [[name, *(row.get(kind, "–") for kind in kinds)] for name, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
