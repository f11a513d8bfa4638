"""Slides from the built pages: one deck a chapter, for a lecture without a network.

Run as ``python -m tools.slides [NN ...]``, or ``make slides``; it writes ``_build/slides/NN-name.html``, and beside it
reveal.js, MathJax and the pictures. Arrow keys move, ``s`` opens the speaker's window, ``?print-pdf`` after the address
is for print.

A chapter says by marks what is on its slides, each mark a comment on a line of its own:

    <!-- slide: Who has such a head? -->    the next thing to look at, with the first sentence before and after it
    <!-- slide formula: One exchange -->    that alone: formula, figure, slider, result (a table, or what is printed),
                                            guess, text, or the name of a function; or several of them
    <!-- slide -->                          its title: the bold words with which the next paragraph begins
    <!-- no slide -->                       from here on there is nothing to show

A mark sees what stands between it and the next one; marks on lines that follow each other see the same, and share it.
Of a chapter without marks each heading and each thing to look at has a slide. What follows a picture waits for a key,
so that the room can look first. The prose in full, answers and solutions are the speaker's notes.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from bs4 import BeautifulSoup, Comment, NavigableString, Tag
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from . import build, chapters

OUTPUT = build.OUTPUT / "slides"
STYLE = Path(__file__).with_name("slides.css")
MARK = re.compile(r" (no )?slide\b([^:]*?)(?:: (.*?))? ", re.S)

FILES = re.compile(r'<(?:img|image) [^>]*\b(?:src|href)="((?!data:)[^"]+)"')

# What a room looks at: of the kinds in LED a slide shows one, unless a mark asks for more.
LED = ("figure", "slider", "table", "guess", "formula", "code")
VISUAL = (*LED, "print")
# The most that is shown, where no mark chooses: a slide isn't for reading.
ROWS, LINES, TEXTS = 9, 12, 4
TALL = 1.4  # a figure less wide than this, as width by height, has the text beside it


class SlideError(ValueError):
    """A mark asks for what does not follow it."""


@dataclass(frozen=True, eq=False)
class Item:
    """One part of a chapter.

    Attributes:
        kind: ``text``, one of ``VISUAL``, or of what is not shown ``heading``, ``mark``, ``note``.
        html: what a slide shows of it.
        note: what the speaker has of it.
        name: of a function; what a mark asks for; ``result`` of what a cell says.
        tall: whether it is a figure that is not wide.
    """

    kind: str
    html: str = ""
    note: str = ""
    name: str = ""
    tall: bool = False


@dataclass
class Slide:
    """What is shown under a heading, and what the speaker has to say to it."""

    heading: str
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def visual(self) -> Item | None:
        return next((item for item in self.items if item.kind in VISUAL), None)


# -------------------------------------------------------------------------------------------- the parts of a page


def items_of(page: Path, root: Path) -> list[Item]:
    """The parts of a built page in order, with the addresses of pictures as seen from ``root``."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article", class_="bd-article")
    for comment in article.find_all(string=lambda text: isinstance(text, Comment) and not MARK.fullmatch(text)):
        comment.extract()
    for link in article.select("a.enlarge:has(.salkit-figure)"):  # the drawing's picture: its room is known
        says = " ".join(tag.get_text() for tag in link.select(".salkit-wide > :is(title, desc)"))
        link.replace_with(soup.new_tag("img", src=link["href"], alt=says))
    for drawing in article.select(".salkit-narrow"):
        drawing.extract()
    for link in article.select(".headerlink, a:not([href^=http])"):  # a page of the book is no page of the slides
        link.extract() if "headerlink" in link["class"] else link.unwrap()
    for tag in article.select("[id]:not(svg *)"):  # a drawing finds its parts by theirs
        del tag["id"]
    for name in ("src", "href"):
        for tag in article.select(f":is(img, image)[{name}]:not([{name}^=data])"):
            tag[name] = (page.parent / tag[name]).resolve().relative_to(root.resolve()).as_posix()
    article.smooth()
    return [*_items(article, root)]


def _items(parent: Tag, root: Path) -> Iterator[Item]:
    for child in parent.children:
        if isinstance(child, Comment):
            no, words, title = MARK.fullmatch(child).groups()
            yield Item("mark", title or "", name="no" if no else words.strip())
        elif isinstance(child, Tag):
            yield from _item(child, {*child.get("class", [])}, root)


def _item(tag: Tag, classes: set[str], root: Path) -> Iterator[Item]:
    if re.fullmatch("h[1-6]", tag.name):
        yield Item("heading", tag.decode_contents())
    elif "cell" in classes:
        yield from _cell(tag, classes, root)
    elif tag.name == "p" and not tag.img:
        yield _text(tag)
    elif tag.name in ("ul", "ol"):
        yield from (_text(entry, " class=marked") for entry in tag.find_all("li", recursive=False))
    elif tag.name == "blockquote":
        yield Item("guess", str(tag), str(tag))
    elif "math" in classes:
        yield Item("formula", str(tag))
    elif tag.name in ("details", "figcaption"):  # what unfolds in the book is for the speaker
        yield Item("note", note=tag.decode_contents())
    elif tag.name == "table":
        yield _table(tag)
    elif tag.name in ("img", "svg"):
        yield _figure(tag, root)
    elif "highlight" in classes:
        yield _code(tag.get_text())
    else:
        yield from _items(tag, root)


def _cell(cell: Tag, classes: set[str], root: Path) -> Iterator[Item]:
    """What can be shown of a cell: each of its functions, whole, and its outputs."""
    code = cell.select_one(".cell_input pre")
    source = code.get_text() if code else ""
    if "tag_solution" in classes:
        yield Item("note", note=f"<p><b>Solution</b></p><pre>{escape(source)}</pre>")
    elif "course.start(" not in source and not re.search(r"^check\.\w+\(", source, re.M):
        for part in ast.parse(source).body:
            if isinstance(part, ast.FunctionDef | ast.ClassDef):
                yield _code(ast.get_source_segment(source, part), part.name)
        for output in cell.select(".cell_output > *"):
            yield from _output(output, root)


def _output(output: Tag, root: Path) -> Iterator[Item]:
    if output.find("input", type="range"):
        yield Item("slider", output.decode_contents())
    elif output.table:
        yield _table(output.table)
    elif picture := output if output.name in ("img", "svg") else output.find(["img", "svg"]):
        yield _figure(picture, root)
    elif words := output.get_text().strip("\n"):
        shown = "\n".join(words.split("\n")[:LINES]) + "\n…" * (words.count("\n") >= LINES)
        longest = max(map(len, shown.split("\n")))  # lines of a table are not broken
        size = f' style="font-size: {min(22, 1850 // longest)}px"' if longest < 120 else ""
        yield Item("print", f"<pre{size}>{escape(shown)}</pre>", name="result")


def _text(tag: Tag, marked: str = "") -> Item:
    """A paragraph or an entry of a list. One in brackets is an aside for the speaker."""
    words, whole = tag.get_text().strip(), (tag.p or tag).decode_contents()
    if re.fullmatch(r"\(.*\)", words, re.S):
        return Item("note", note=f"<p>{whole}</p>")
    shown = whole if words.startswith("The question") else lead(tag.p or tag)
    return Item("text", f"<p{marked}>{shown}</p>", f"<p>{'• ' * bool(marked)}{whole}</p>")


def _table(table: Tag) -> Item:
    rows = table.select("tbody tr")
    for row in rows[ROWS:]:
        row.extract()
    if rows[ROWS:]:
        table.tbody.append(
            BeautifulSoup(f"<tr><td colspan=9>… {len(rows) - ROWS} more in the chapter</td></tr>", "html.parser")
        )
    return Item("table", str(table), name="result")


def _code(source: str, name: str = "") -> Item:
    return Item("code", highlight(source.rstrip(), PythonLexer(), HtmlFormatter()), name=name)


def _figure(picture: Tag, root: Path) -> Item:
    """A picture as large as a slide. A grid that is higher than wide stands in two halves, side by side."""
    if picture.name == "svg" or not (file := root / picture["src"]).is_file() or file.suffix == ".svg":
        return Item("figure", str(picture))
    with Image.open(file) as image:
        (width, height), grey = image.size, np.asarray(image.convert("L"), float)
    if width > 0.9 * height:
        return Item("figure", str(picture), tall=width / height < TALL)
    # Between two rows of maps the gap is wider than between a row and its titles.
    blank = "".join("1" if row.min() > 250 else "0" for row in grey[int(0.38 * height) : int(0.62 * height)])
    gap = max(re.finditer("1+", blank), key=lambda run: len(run[0]), default=re.match("", blank))
    cut = int(0.38 * height) + (gap.start() + gap.end()) // 2
    halves = ""
    for rows, above in ((cut, 0), (height - cut, cut)):
        size = f"aspect-ratio: {width} / {rows}; width: {min(565, 535 * width / rows):.0f}px"
        picture["style"] = f"margin-top: {-100 * above / width:.2f}%"
        halves += f'<span class="half" style="{size}">{picture}</span>'
        picture["alt"] = ""
    return Item("figure", halves)


# A sentence ends here, if a new one begins after it.
_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!et al)(?<!\bcf)(?<!\bvs)[.!?][\"'”’)]*(?=\s+[\"'“‘(]*[A-Z\d]|\s*$)")


def lead(paragraph: Tag, most: int = 150) -> str:
    """The first sentences of a paragraph, together ``most`` characters long, or the first one if that is longer.

    A first sentence of a few words, such as a question, takes the next one with it. What is bold, code, a formula or
    in brackets is never cut.
    """
    html, text, found, length = "", "", "", 0
    for node in paragraph.children:
        if type(node) is NavigableString:
            for end in _END.finditer(node):
                said = text + node[: end.end()]
                if said.count("(") == said.count(")") and (length < 40 or len(said) <= most):
                    found, length = html + escape(node[: end.end()]), len(said)
        html += str(node)
        text += node.get_text()
    return found or html


# --------------------------------------------------------------------------------------------------- the slides


def slides_of(page: Path, root: Path) -> list[Slide]:
    """All slides of a built chapter; the first one shows its title and its question.

    Raises:
        SlideError: a mark asks for what does not follow it.
    """
    first, *items = items_of(page, root)
    title = Slide(first.html)
    if items and items[0].kind == "text":
        title.items, title.notes = [items[0]], [items.pop(0).note]
    if any(item.kind == "mark" for item in items):
        return [title, *(slide for marks, span in _runs(items) for slide in _marked(marks, span))]
    slides, heading = [title], first.html
    for piece in _pieces(items):
        if piece[0].kind == "heading":
            heading = piece.pop(0).html
        slides.append(Slide(heading, _led(piece), _notes(piece)))
    return [slide for slide in slides if slide.items or slide is title]


def _notes(items: list[Item]) -> list[str]:
    return [item.note for item in items if item.note]


def _runs(items: list[Item]) -> Iterator[tuple[list[Item], list[Item]]]:
    """Marks that follow each other, and what stands between them and the next ones."""
    marks, span = [], []
    for item in items:
        if item.kind == "mark":
            if span:
                yield marks, span
                marks, span = [], []
            marks.append(item)
        elif marks:
            span.append(item)
    yield marks, span


def _marked(marks: list[Item], span: list[Item]) -> list[Slide]:
    """The slides of marks that share what follows them; the speaker has at each what stands before that of the next."""
    slides, begins, left = [], [], span
    for mark in marks:
        if mark.name == "no":
            continue
        chosen = [] if mark.name else _led(left, LED[:-1])
        for word in mark.name.split():
            found = [item for item in left if word in (item.kind, item.name)]
            if not found:
                raise SlideError(f"after the mark <!-- slide {mark.name}: {mark.html} --> there is no {word}")
            chosen += found if word == "text" else found[:1]
        bold = re.match(
            r"<p[^>]*><strong>(.*?)[.?]?</strong>", next((item.note for item in span if item.kind == "text"), "")
        )
        if not (mark.html or bold) or not chosen:
            raise SlideError(f"<!-- slide: {mark.html} --> needs something to show, and a title or bold words after it")
        slides.append(Slide(escape(mark.html, quote=False) or bold[1], chosen))
        begins.append(span.index(next((item for item in chosen if item.kind != "text"), chosen[0])))
        left = [item for item in left if item not in chosen]
    for slide, begin, end in zip(slides, [0, *begins[1:]], [*begins[1:], len(span)]):
        slide.notes = _notes(span[begin:end])
    return slides


def _led(items: list[Item], kinds=LED) -> list[Item]:
    """The first of the things to look at, with the text before and the one after it; where there is none, texts."""
    texts = [i for i, item in enumerate(items) if item.kind == "text"]
    at = next((i for i, item in enumerate(items) if item.kind in kinds), None)
    if at is None:
        return [items[i] for i in texts[:TEXTS]]
    before, after = [i for i in texts if i < at][:1], [i for i in texts if i > at][:1]
    return [
        items[i] for i in (*before, at, *(after if items[at].kind != "guess" else []))
    ]  # nothing gives a guess away


def _pieces(items: list[Item]) -> Iterator[list[Item]]:
    """A chapter without marks, cut so that each piece has a heading or one thing to look at, with what leads to it.

    Of the functions under a heading the first one is the idea, and the others help.
    """
    piece, function = [], False
    for item in items:
        if item.kind == "code" and function:
            continue
        function = item.kind == "code" or (function and item.kind != "heading")
        full = item.kind in LED and any(other.kind in LED for other in piece)
        if item.kind == "heading" or full:
            leads = full and piece[-1].kind == "text" and (piece[-2].kind == "text" or piece[-1].note.endswith(":</p>"))
            introduction = [piece.pop()] if leads else []
            if piece:
                yield piece
            piece = introduction
        piece.append(item)
    yield piece


def _shown(slide: Slide, number: int, deck: str) -> str:
    """One slide in HTML. The first, number 0, is the title."""
    shown, seen, visual = [], False, slide.visual
    for item in slide.items:
        # What stands after a figure or a result waits for the next key press.
        shown.append(f'<div class="{item.kind}{" fragment" if item.kind == "text" and seen else ""}">{item.html}</div>')
        seen |= item.kind in VISUAL
    layout = "words" if visual is None or visual.kind in ("guess", "formula") else "stacked"
    if visual and visual.tall and len(shown) > 1:
        layout = "beside"
        shown = [shown.pop(slide.items.index(visual)), '<div class="column">', *shown, "</div>"]
    body = "\n".join(shown)
    heading = f"<h2>{slide.heading}</h2>" if number else f"<h1>{slide.heading}</h1>"
    foot = f'<p class="foot">{deck}</p>' if number else ""
    notes = f'<aside class="notes">{"".join(slide.notes)}</aside>' if slide.notes else ""
    return f"""<section><div class="slide {layout if number else "title"}">
{heading}
<div class="body">
{body}
</div>
{foot}</div>{notes}</section>"""


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
    || [...body.querySelectorAll("*:not(.half *)")].some((part) => part.getBoundingClientRect().bottom > room());
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


def page(source: Path, root: Path) -> str:
    """The whole deck of a built chapter in HTML."""
    slides = slides_of(source, root)
    deck = slides[0].heading
    shown = "\n".join(_shown(slide, number, deck) for number, slide in enumerate(slides))
    return PAGE.format(title=re.sub(r"<[^>]+>", "", deck), slides=shown)


def write(html: Path, names: list[str], output: Path = OUTPUT) -> list[Path]:
    """Write decks, and what they need beside them.

    Args:
        html: the folder with the built pages.
        names: of chapters, such as ``04-cam-and-gradcam``.
        output: a folder for the decks.

    Returns:
        the decks.

    Raises:
        SlideError: a mark asks for what does not follow it.
    """
    reveal = _package("sphinx_revealjs") / "_static" / "revealjs"
    beside = {f"reveal/{path.name}": path for path in (reveal / "dist/reset.css", reveal / "dist/reveal.css")}
    beside |= {"reveal/reveal.js": reveal / "dist/reveal.js", "reveal/notes.js": reveal / "plugin/notes/notes.js"}
    beside |= {"reveal/LICENSE": reveal / "LICENSE"}
    beside |= {"mathjax/tex-svg-full.js": _package("sphinx-mathjax-offline") / "static" / "mathjax" / "tex-svg-full.js"}
    decks = {}
    for name in names:
        try:
            decks[output / f"{name}.html"] = deck = page(html / "book" / f"{name}.html", html)
        except SlideError as error:
            raise SlideError(f"book/{name}.md: {error}") from None
        beside |= {file: html / file for file in FILES.findall(deck)}
    for name, path in beside.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / name)
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    (output / "slides.css").write_text(f"{STYLE.read_text()}\n/* Colours of the code, by Pygments */\n{colours}\n")
    for path, deck in decks.items():
        path.write_text(deck, encoding="utf-8")
    return [*decks]


def _package(name: str) -> Path:
    """The folder of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise SystemExit(f"{name} is not installed: run make slides, which installs requirements.txt first")
    return Path(spec.origin).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__.split("\n")[0])
    parser.add_argument("numbers", nargs="*", help="chapters, such as 02; all, if none is given")
    names = [path.stem for path in chapters.chosen(parser.parse_args().numbers)]
    try:
        for deck in write(build.build().parent, names):
            print(f"wrote {deck.relative_to(chapters.ROOT)}")
    except (SlideError, build.BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
