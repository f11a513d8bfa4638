"""Slides from the chapters' own cells and stored outputs: one page a chapter, for a lecture without a network.

Run as ``python -m tools.slides [NN ...]``, or ``make slides``; it writes ``_build/slides/NN-name.html``, with reveal.js
and MathJax beside it. Arrow keys move, ``s`` opens the speaker's window, ``?print-pdf`` after the address is for print.

Headings start slides. A slide shows the first sentences of each paragraph, formulas, short code, and figures as they
were stored; the paragraphs in full, the answers and the solutions are the speaker's notes. What stands after a figure
comes up with the next key press, so that the room can look first.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import io
import math
import re
import shutil
import sys
from dataclasses import dataclass, field
from functools import cache
from html import escape, unescape
from pathlib import Path

from markdown_it.renderer import RendererHTML
from markdown_it.tree import SyntaxTreeNode
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from nbformat import NotebookNode
from PIL import Image
from pybtex.database import parse_file
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from . import chapters, records
from .student import is_solution

OUTPUT = chapters.ROOT / "_build" / "slides"
STYLE = Path(__file__).with_name("slides.css")

# In pixels, on a slide of 1280 x 720: the room below the heading, and what lines take there. slides.css has the sizes.
WIDTH, HEIGHT = 1152, 540
GAP = 14
TEXT_LINE, TEXT_CHAR = 36, 13.2
CODE_LINE, CODE_CHAR = 26, 11.4
PRINT_LINE, PRINT_CHAR = 23, 10.2
CELL_LINE, CELL_CHAR = 28, 11.0
FIGURE = 400  # the height that a figure should have, unless it is so wide that it needs less
BESIDE = 1.5  # a figure less wide than this, as width by height, has the text beside it
LARGER = 1.3  # letters on a slide of few words
CODE_LINES = 14

# What a slide shows at most one of.
VISUAL = ("figure", "code", "table", "html")


@dataclass(frozen=True)
class Item:
    """One thing on a slide.

    Attributes:
        kind: ``point`` (sentences), ``formula``, ``guess``, ``print`` (text that a cell printed), or one of ``VISUAL``.
        html: what is shown.
        height: in pixels, over the whole width.
        ratio: width by height, of a figure.
        fresh: whether it begins a new slide.
    """

    kind: str
    html: str
    height: float
    ratio: float = 0.0
    fresh: bool = False

    @property
    def words(self) -> str:
        """The text without mark-up."""
        return unescape(re.sub(r"<[^>]+>", "", self.html)).strip()


@dataclass
class Slide:
    """What is shown under a heading, and what the speaker has to say to it."""

    heading: str
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def visual(self) -> Item | None:
        return next((item for item in self.items if item.kind in VISUAL), None)

    @property
    def aside(self) -> Item | None:
        """A figure that is not wide: it has the text beside it."""
        return next((item for item in self.items if 0 < item.ratio < BESIDE), None)

    @property
    def has_room(self) -> bool:
        """Whether it is so short, and only words, that larger letters fit."""
        tall = sum(_height(item, WIDTH / LARGER) * LARGER + GAP for item in self.items)
        return not self.visual and tall <= HEIGHT

    def fits(self, *more: Item) -> bool:
        """Whether there is room for these as well."""
        slide = Slide(self.heading, [*self.items, *more])
        if figure := slide.aside:
            column = WIDTH - _beside(figure) - 40
            return sum(_height(item, column) + GAP for item in slide.items if item is not figure) <= HEIGHT
        return sum(item.height + GAP for item in slide.items) <= HEIGHT


def _beside(figure: Item) -> float:
    """How wide a figure is that has text beside it."""
    return min(HEIGHT * figure.ratio, 0.62 * WIDTH)


def _height(item: Item, width: float) -> float:
    """Of an item in a column of this width."""
    if item.kind == "point":
        return _lines(item.words, width / TEXT_CHAR) * TEXT_LINE
    if item.kind == "print":
        return _lines(item.words, (width - 30) / PRINT_CHAR) * PRINT_LINE + 20
    return item.height * (1.2 if item.kind == "formula" else WIDTH / width)


def _lines(text: str, chars: float) -> int:
    return sum(max(1, math.ceil(len(line) / chars)) for line in text.split("\n"))


# ------------------------------------------------------------------------------------------------------ Markdown


@cache
def _markdown():
    extensions = {"amsmath", "colon_fence", "deflist", "dollarmath", "attrs_inline", "attrs_block", "smartquotes"}
    md = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    rules = {
        "math_inline": lambda tokens, i, *_: rf"\({escape(tokens[i].content)}\)",
        "math_block": lambda tokens, i, *_: rf"\[{escape(tokens[i].content)}\]",
        "amsmath": lambda tokens, i, *_: rf"\[{escape(tokens[i].content)}\]",
        "myst_role": lambda tokens, i, *_: _role(tokens[i].meta["name"], tokens[i].content),
        "myst_target": lambda *_: "",
        # A page of the book is no page of the slides.
        "link_open": lambda tokens, i, options, env: "<u>" if _internal(tokens[i]) else _opened(tokens[i]),
        "link_close": lambda tokens, i, *_: "</u>" if _internal(_opening(tokens, i)) else "</a>",
    }
    md.renderer.rules.update(rules)
    return md


def _internal(token) -> bool:
    return not str(token.attrGet("href")).startswith(("https:", "http:"))


def _opened(token) -> str:
    return f'<a href="{escape(str(token.attrGet("href")))}">'


def _opening(tokens, closing: int):
    return next(tokens[i] for i in range(closing, -1, -1) if tokens[i].type == "link_open")


def _role(name: str, content: str) -> str:
    """A MyST role in words: citations by author and year, anything else by its text."""
    if name.startswith("cite"):
        cited = [_cited(key.strip()) for key in content.split(",")]
        texts = [f"{who} ({year})" if name.endswith(":t") else f"{who}, {year}" for who, year in cited]
        return escape("; ".join(texts) if name.endswith(":t") else f"({'; '.join(texts)})")
    return escape(re.sub(r"\s*<[^>]*>$", "", content))


@cache
def _bibliography():
    return parse_file(str(chapters.BOOK / "references.bib")).entries


def _cited(key: str) -> tuple[str, str]:
    """Author and year: ``("Wu et al.", "2022")``."""
    entry = _bibliography()[key]
    names = [" ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]]
    who = " and ".join(names) if len(names) <= 2 else f"{names[0]} et al."
    return re.sub(r"[{}]", "", who), entry.fields.get("year", "n.d.")


def _inline(text: str) -> str:
    return _markdown().renderInline(text)


def _render(node: SyntaxTreeNode) -> str:
    return _markdown().renderer.render(node.to_tokens(), _markdown().options, {})


# Spans with full stops that end no sentence.
_SPANS = re.compile(
    r"`[^`]*`|\$[^$]*\$|\*\*.+?\*\*|\*[^*\s][^*]*\*|\[[^\]]*\]\([^)]*\)|\([^()]*\)|\b(?:e\.g|i\.e|et al|cf|vs)\."
)
_END = re.compile(r"[.!?][\"'”’]*(?=\s+[\"'“‘]*[A-Z\d]|\s*$)")


def lead(text: str, most: int = 150) -> str:
    """The first sentences of a paragraph, together ``most`` characters long, or the first one if that is longer.

    A first sentence of a few words, such as a question, takes the next one with it.
    """
    masked = _SPANS.sub(lambda span: "X" * len(span[0]), text)
    ends = [end.end() for end in _END.finditer(masked)] or [len(text)]
    last = ends[0]
    for end in ends[1:]:
        if end <= most or last < 40:
            last = end
    return text[:last]


# ---------------------------------------------------------------------------------------------------- the items


@dataclass
class Section:
    """What stands under one heading: items and notes in the order of the chapter."""

    heading: str
    parts: list[Item | str] = field(default_factory=list)  # a string is a note


def sections(source: Path) -> list[Section]:
    """The chapter in sections; the first one is what stands under its title."""
    notebook = chapters.regenerate(source)
    found = [Section(source.stem)]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for part in _blocks(_nodes(records.bare(cell.source)), source.parent):
                if isinstance(part, Section):
                    found.append(part)
                else:
                    found[-1].parts.append(part)
        elif cell.source.strip():
            found[-1].parts += _code_cell(cell)
    return [section for section in found[1:] or found if section.parts]


def _nodes(text: str) -> list[SyntaxTreeNode]:
    return SyntaxTreeNode(_markdown().parse(text)).children


def _blocks(nodes: list[SyntaxTreeNode], folder: Path) -> list[Section | Item | str]:
    parts, answer = [], None
    for node in nodes:
        html = node.content if node.type == "html_block" else ""
        if answer is None and "<details" in html and "</details" not in html:
            answer = [re.sub(r".*<summary>(.*?)</summary>.*", r"<p><b>\1</b></p>", html, flags=re.S)]
        elif answer is not None:  # what unfolds in the book is for the speaker
            if "</details" in html:
                parts.append("".join(answer))
                answer = None
            else:
                answer.append(_render(node))
        else:
            parts += _block(node, folder)
    return parts


def _block(node: SyntaxTreeNode, folder: Path) -> list[Section | Item | str]:
    if node.type == "heading":
        return [Section(_inline(node.children[0].content))]
    if node.type == "paragraph":
        images = [child for child in node.children[0].children if child.type == "image"]
        if images:
            return [_picture(folder / image.attrs["src"], image.content) for image in images]
        text = node.children[0].content
        note = f"<p>{_inline(text)}</p>"
        if text.startswith("(") and text.endswith(")"):
            return [note]
        # An exercise stands by itself. It and the chapter's question are shown in full, or nearly so.
        task, question = re.match(r"\*\*\d+\.", text), text.startswith("**The question")
        return [_point(lead(text, 420 if task or question else 150), fresh=bool(task)), note]
    if node.type in ("bullet_list", "ordered_list"):
        return [part for entry in node.children for part in _entry(entry)]
    if node.type == "blockquote":
        html = _render(node)
        words = re.sub(r"<[^>]+>", "", html).strip()
        return [Item("guess", html, (_lines(words, WIDTH / 15) + 1) * 42 + 60), html]
    if node.type in ("math_block", "amsmath"):
        rows = 1 + node.content.count(r"\\")
        return [Item("formula", f"<div>{_render(node)}</div>", 30 + 62 * rows)]
    if node.type == "table":
        return [_table(_render(node))]
    if node.type in ("fence", "colon_fence") and node.info.startswith("{"):
        body = re.sub(r"\A(?::[\w-]+:.*\n|---\n.*?\n---\n)+", "", node.content, flags=re.S)
        return _blocks(_nodes(body), folder)
    if node.type == "fence":
        return [_code(node.content)]
    return []


def _entry(entry: SyntaxTreeNode) -> list[Item | str]:
    """An entry of a list: a point with a mark."""
    text = next((child.children[0].content for child in entry.children if child.type == "paragraph"), "")
    return [_point(lead(text), marked=True), f"<p>• {_inline(text)}</p>"]


def _point(text: str, *, marked: bool = False, fresh: bool = False) -> Item:
    html = f'<p{" class=marked" if marked else ""}>{_inline(text)}</p>'
    words = re.sub(r"<[^>]+>", "", html)
    return Item("point", html, _lines(words, WIDTH / TEXT_CHAR) * TEXT_LINE, fresh=fresh)


def _table(html: str) -> Item:
    """A table, cut to the rows for which there is room."""
    rows = re.findall(r"<tr>.*?</tr>", html, re.S)
    height, kept = 12.0, []
    for row in rows:
        cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.S)]
        height += CELL_LINE * _lines("x" * (sum(map(len, cells)) + 4 * len(cells)), WIDTH / CELL_CHAR) + 13
        if height > HEIGHT - 70:
            kept.append(f'<tr><td colspan="{len(cells)}">… {len(rows) - len(kept)} more rows in the chapter</td></tr>')
            break
        kept.append(row)
    return Item("table", f"<table>{''.join(kept)}</table>", min(height, HEIGHT - 20))


def _code(source: str) -> Item:
    source = re.sub(r"^# NBVAL_\w+\n", "", source)
    lines = re.sub(r"\n{3,}", "\n\n", source).rstrip().split("\n")
    if len(lines) > CODE_LINES:
        lines = [*lines[: CODE_LINES - 1], f"# … {len(lines) - CODE_LINES + 1} more lines in the chapter"]
    text = "\n".join(lines)
    height = _lines(text, (WIDTH - 40) / CODE_CHAR) * CODE_LINE + 32
    return Item("code", highlight(text, PythonLexer(), HtmlFormatter()), height)


def _printed(text: str) -> Item:
    lines = text.rstrip().split("\n")
    if len(lines) > 12:
        lines = [*lines[:11], "…"]
    text = "\n".join(lines)
    return Item("print", f"<pre>{escape(text)}</pre>", _lines(text, (WIDTH - 30) / PRINT_CHAR) * PRINT_LINE + 20)


def _figure(data: bytes, kind: str, alt: str) -> Item:
    width, height = (16, 9) if kind == "svg" else Image.open(io.BytesIO(data)).size
    url = f"data:image/{kind}{'+xml' if kind == 'svg' else ''};base64,{base64.b64encode(data).decode()}"
    needed = min(FIGURE, WIDTH * height / width)
    return Item("figure", f'<img src="{url}" alt="{escape(alt)}">', needed, ratio=width / height)


def _picture(path: Path, alt: str) -> Item:
    return _figure(path.read_bytes(), path.suffix[1:].replace("jpg", "jpeg"), alt)


def _code_cell(cell: NotebookNode) -> list[Item | str]:
    """What a slide shows of a cell: a figure without its code; a function; or short code with what it printed."""
    if is_solution(cell):
        return [f"<p><b>Solution</b></p><pre>{escape(cell.source)}</pre>"]
    tags = cell.metadata.get("tags", [])
    if {"remove-cell", "remove-output"} & set(tags) or "course.start(" in cell.source:
        return []
    outputs = [part for output in cell.outputs for part in _output(output, cell)]
    shown = [output for output in outputs if output.kind in VISUAL]
    lines = cell.source.count("\n") + 1
    stub = re.search(r"^check\.\w+\(", cell.source, re.M)
    if stub:
        return [_code(cell.source)]
    wanted = not shown and "hide-input" not in tags and "hide-cell" not in tags
    wanted &= "def " in cell.source or (bool(outputs) and lines <= CODE_LINES)
    return [*([_code(cell.source)] if wanted else []), *outputs]


def _output(output: NotebookNode, cell: NotebookNode) -> list[Item]:
    data = output.get("data", {})
    for kind in ("png", "jpeg"):
        if f"image/{kind}" in data:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            return [_figure(base64.b64decode(data[f"image/{kind}"]), kind, alt)]
    if "text/html" in data:
        return [Item("html", data["text/html"], HEIGHT - 90)]
    if "text/markdown" in data:
        return [part for part in _blocks(_nodes(data["text/markdown"]), chapters.BOOK) if isinstance(part, Item)]
    text = output.get("text") or data.get("text/plain", "")
    return [_printed(text)] if text.strip() else []


# --------------------------------------------------------------------------------------------------- the slides


def packed(section: Section) -> list[Slide]:
    """The section's slides. Each has one visual at most, and no more than there is room for."""
    slides, closed = [Slide(section.heading)], False
    for part in section.parts:
        slide = slides[-1]
        if isinstance(part, str):
            slide.notes.append(part)
            continue
        full = closed or (part.kind in VISUAL and slide.visual) or not slide.fits(part)
        if slide.items and (full or part.fresh or (part.kind == "guess" and slide.visual)):
            slides.append(Slide(section.heading, *_carried_over(slide, part)))
        slides[-1].items.append(part)
        closed = part.kind == "guess"  # a guess comes before its answer is seen
    return [slide for slide in slides if slide.items]


def _carried_over(slide: Slide, part: Item) -> tuple[list[Item], list[str]]:
    """The sentence before a visual introduces it, so it moves to the next slide, and its paragraph with it."""
    *before, last = slide.items
    introduces = last.words.endswith((":", "?")) or (before and before[-1].kind not in VISUAL + ("print",))
    if part.kind not in VISUAL or last.kind != "point" or not before or not introduces:
        return [], []
    if not Slide("", [last]).fits(part):
        return [], []
    slide.items.pop()
    return [last], [slide.notes.pop()] if slide.notes else []


def _shown(slide: Slide, number: int, deck: str) -> str:
    """One slide in HTML. The first, number 0, is the title."""
    shown = []
    for item in slide.items:
        # What stands after a figure or a result waits for the next key press.
        later = item.kind == "point" and any(kind in VISUAL + ("print",) for kind, _ in shown)
        shown.append((item.kind, f'<div class="{item.kind}{" fragment" if later else ""}">{item.html}</div>'))
    parts = [html for _, html in shown]
    layout = "title" if number == 0 else "words" if slide.has_room else "stacked"
    if number and slide.aside:
        layout = "beside"
        figure = parts.pop(slide.items.index(slide.aside))
        figure = figure.replace(">", f' style="flex-basis: {_beside(slide.aside):.0f}px">', 1)
        parts = [figure, *(['<div class="column">', *parts, "</div>"] if parts else [])]
    body = "\n".join(parts)
    heading = f"<h2>{slide.heading}</h2>" if number else f"<h1>{slide.heading}</h1>"
    foot = f'<p class="foot">{deck}</p>' if number else ""
    notes = f'<aside class="notes">{"".join(slide.notes)}</aside>' if slide.notes else ""
    return f"""<section><div class="slide {layout}">
{heading}
<div class="body">
{body}
</div>
{foot}</div>{notes}</section>"""


def slides_of(source: Path) -> list[Slide]:
    """All slides of a chapter; the first one shows its title and its question."""
    first, *rest = sections(source)
    title = Slide(first.heading)
    while first.parts and not (title.items and isinstance(first.parts[0], Item)):
        part = first.parts.pop(0)
        (title.notes if isinstance(part, str) else title.items).append(part)
    return [title, *(slide for section in (first, *rest) for slide in packed(section))]


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="stylesheet" href="reveal/reset.css">
<link rel="stylesheet" href="reveal/reveal.css">
<link rel="stylesheet" href="slides.css">
<script>
// Vector output carries its own letters, so there are no fonts to load.
MathJax = {{
  svg: {{ fontCache: "none" }},
  options: {{ enableMenu: false }},
  startup: {{
    pageReady: () => MathJax.startup.defaultPageReady().then(() => {{
      // The speaker's window has no style sheet that hides the copy for screen readers.
      document.querySelectorAll(".notes mjx-assistive-mml").forEach((copy) => copy.remove());
      fitAll();
    }}),
  }},
}};
</script>
<script src="mathjax/tex-svg-full.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/reveal.js"></script>
<script src="reveal/notes.js"></script>
<script>
// Which letters a computer has, nobody knows before: where they are too wide for a slide, they are made smaller.
function fit(slide) {{
  const body = slide.querySelector(".body");
  const room = () => slide.getBoundingClientRect().bottom - 46 * Reveal.getScale();  // above the foot
  const sticksOut = () => body.scrollWidth > body.clientWidth
    || [...body.querySelectorAll("*")].some((part) => part.getBoundingClientRect().bottom > room());
  for (let size = 1; size > 0.6; size -= 0.02) {{
    body.style.zoom = size;
    if (!sticksOut()) return;
  }}
}}
const fitAll = () => [...document.querySelectorAll(".slide")].filter((one) => one.checkVisibility()).forEach(fit);
["ready", "slidechanged", "pdf-ready", "resize"].forEach((happened) => Reveal.on(happened, fitAll));
Reveal.initialize({{
  width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t", transition: "none",
  pdfSeparateFragments: false, plugins: [RevealNotes],
}});
</script>
</body>
</html>
"""


def page(source: Path) -> str:
    """The whole deck of a chapter in HTML."""
    slides = slides_of(source)
    deck = slides[0].heading
    shown = "\n".join(_shown(slide, number, deck) for number, slide in enumerate(slides))
    return PAGE.format(title=re.sub(r"<[^>]+>", "", deck), slides=shown)


def write(sources: list[Path], output: Path = OUTPUT) -> list[Path]:
    """Write the decks of these chapters, and what they need beside them.

    Returns:
        the decks.
    """
    reveal = _package("sphinx_revealjs") / "_static" / "revealjs"
    mathjax = _package("sphinx-mathjax-offline") / "static" / "mathjax" / "tex-svg-full.js"
    beside = {f"reveal/{path.name}": path for path in (reveal / "dist/reset.css", reveal / "dist/reveal.css")}
    beside |= {"reveal/reveal.js": reveal / "dist/reveal.js", "reveal/notes.js": reveal / "plugin/notes/notes.js"}
    beside |= {"reveal/LICENSE": reveal / "LICENSE", "mathjax/tex-svg-full.js": mathjax}
    for name, path in beside.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / name)
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    (output / "slides.css").write_text(f"{STYLE.read_text()}\n/* Colours of the code, by Pygments */\n{colours}\n")
    decks = []
    for source in sources:
        decks.append(output / f"{source.stem}.html")
        decks[-1].write_text(page(source), encoding="utf-8")
    return decks


def _package(name: str) -> Path:
    """The folder of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise SystemExit(f"{name} is not installed: run make slides, which installs requirements.txt first")
    return Path(spec.origin).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__.split("\n")[0])
    parser.add_argument("numbers", nargs="*", help="chapters, such as 02; all, if none is given")
    for deck in write(chapters.chosen(parser.parse_args().numbers)):
        print(f"wrote {deck.relative_to(chapters.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
