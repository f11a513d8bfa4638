"""The whole book as one PDF: the built pages in reading order, joined into one page, which Chromium prints.

Run as ``python -m tools.pdf``, or ``make pdf``; it writes ``_build/pdf/book.pdf``. How the pages look on paper is said
in ``book/_static/print.css``, and holds as well for a reader who prints a single one.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from pypdf import PdfReader

from . import address, build
from .browser import NoBrowserError, launched

OUTPUT = build.OUTPUT / "pdf"
# Milliseconds before the browser counts as stuck: it draws some thousand formulas.
PATIENCE = 600_000

# Sphinx and the sliders escape > within attributes, so a tag ends at the first one.
TAG = re.compile(r"<[a-zA-Z][^>]*>")
ATTRIBUTE = re.compile(r' (id|for|aria-labelledby|aria-describedby|href|src|name)="([^"]*)"')
ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.S)
TITLE = re.compile(r"<h1>(.*?)<a class=\"headerlink\"", re.S)
STYLE = re.compile(r'<link rel="stylesheet"[^>]*>|<link href="[^"]*" rel="stylesheet" />')

FRONT_STYLE = """
.front { break-after: page; }
.front h1 { font-size: 30pt; margin: 70mm 0 6mm; text-wrap: balance; }
.front h2 { border: 0; margin-top: 0; }
.front .part { font-weight: 700; margin: 5mm 0 1.5mm; }
.front a { color: inherit; display: flex; gap: 1em; justify-content: space-between; text-decoration: none; }
.bd-article { break-before: page; }
"""

FOOTER = '<p class="pageNumber" style="color: #555; font: 8pt sans-serif; text-align: center; width: 100%"></p>'

PAGE = """<!doctype html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
{styles}
<style>{front_style}</style>
<script>window.MathJax = {{options: {{processHtmlClass: "tex2jax_process|mathjax_process|math|output_area"}}}}</script>
<script defer src="{mathjax}"></script>
</head>
<body>
<main class="bd-main"><div class="bd-content"><div class="bd-article-container">
<div class="front bd-article"><h1>{title}</h1><p>{author}<br>Version {version}, <a href="{site}">{site}</a></p></div>
<nav class="front bd-article" aria-label="Contents" style="display: block !important"><h2>Contents</h2>
{contents}
</nav>
{articles}
</div></div></main>
</body>
</html>
"""


def key(name: str) -> str:
    """What a page's place in the PDF is called, such as ``teaching-syllabus``."""
    return name.removeprefix("book/").replace("/", "-")


def relocated(tag: str, name: str, html: Path, names: list[str]) -> str:
    """A tag of the page ``name`` as it stands in the joined page.

    Its ids get the page's name in front. Links to pages and places of the book stay within the PDF, other links of
    the site lead to its public address, and a figure is no longer a link to its file.
    """
    here = (html / f"{name}.html").as_uri()

    def attribute(match: re.Match) -> str:
        kind, value = match.groups()
        if kind == "name":  # Of several choices with one name only one can be open.
            return "" if tag.startswith("<details") else match[0]
        if kind == "src":
            return f' src="{urljoin(here, value)}"'
        if kind != "href":
            return f' {kind}="{" ".join(f"{key(name)}--{word}" for word in value.split())}"'
        if urlsplit(value).scheme or urlsplit(value).netloc:
            return match[0]
        path = unquote(urlsplit(urljoin(here, value)).path).removeprefix(f"{html.as_posix()}/")
        if path.startswith("_images/"):
            return ""
        target, fragment = path.removesuffix(".html"), urlsplit(value).fragment
        if target in names:
            return f' href="#{key(target)}{f"--{fragment}" if fragment else ""}"'
        return f' href="{address.current().pages}{path}{f"#{fragment}" if fragment else ""}"'

    return ATTRIBUTE.sub(attribute, tag)


def article(name: str, html: Path, names: list[str]) -> tuple[str, str]:
    """A page's title and its text, ready to be joined with others."""
    text = ARTICLE.search((html / f"{name}.html").read_text(encoding="utf-8"))[1]
    title = re.sub(r"<[^>]+>", "", TITLE.search(text)[1])
    moved = TAG.sub(lambda match: relocated(match[0], name, html, names), text)
    return title, f'<article class="bd-article" id="{key(name)}">{moved}</article>'


def joined(html: Path, names: list[str], root: Path = build.ROOT) -> str:
    """The pages as a single one, with a title and a list of contents whose page numbers are still to be filled in."""
    config = yaml.safe_load((root / "_config.yml").read_text())
    articles = {name: article(name, html, names) for name in names}
    contents = []
    for caption, within in build.parts(root):
        lines = [
            f'<a href="#{key(name)}"><span>{articles[name][0]}</span><span data-page="{key(name)}">000</span></a>'
            for name in within
            if name in names
        ]
        contents += [f'<p class="part">{escape(caption)}</p>', *lines] if lines else []
    head = (html / f"{names[0]}.html").read_text(encoding="utf-8").split("</head>")[0]
    return PAGE.format(
        title=escape(config["title"]),
        author=escape(config["author"]),
        version=address.current().version,
        site=address.current().pages,
        styles="\n".join(_styles(head, (html / f"{names[0]}.html").as_uri())),
        front_style=FRONT_STYLE,
        mathjax=(html / "_static/mathjax/tex-chtml.js").as_uri(),
        contents="\n".join(contents),
        articles="\n".join(text for _, text in articles.values()),
    )


def _styles(head: str, here: str) -> list[str]:
    addresses = [re.search(r'href="([^"]*)"', tag)[1] for tag in STYLE.findall(head)]
    return [f'<link rel="stylesheet" href="{urljoin(here, value)}">' for value in addresses]


def page_numbers(reader: PdfReader) -> dict[str, int]:
    """On which sheet, counted from 1, each place of the PDF is."""
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def write(browser, html: Path, names: list[str], output: Path = OUTPUT) -> Path:
    """Print the pages ``names`` of the built book.

    Args:
        browser: from ``tools.browser.launched``.
        html: the folder with the built pages.
        names: of the pages, in reading order.
        output: the folder for the result, and for the joined page from which it was printed.

    Returns:
        the PDF.
    """
    output.mkdir(parents=True, exist_ok=True)
    source, pdf = output / "book.html", output / "book.pdf"
    source.write_text(joined(html, names), encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(source.as_uri(), wait_until="load")
    page.wait_for_function("window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => null)")
    options = dict(prefer_css_page_size=True, outline=True, tagged=True, print_background=True)
    options |= dict(display_header_footer=True, header_template="<span></span>", footer_template=FOOTER)
    # Only a printed book knows its page numbers, so it is printed twice; the numbers change no line.
    page.pdf(path=pdf, **options)
    page.evaluate(
        "numbers => document.querySelectorAll('[data-page]').forEach(e => { e.textContent = numbers[e.dataset.page] })",
        page_numbers(PdfReader(pdf)),
    )
    page.pdf(path=pdf, **options)
    page.close()
    return pdf


def main() -> int:
    try:
        with launched() as browser:
            pdf = write(browser, build.build().parent, build.pages())
    except (NoBrowserError, build.BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is in {pdf}: {len(PdfReader(pdf).pages)} pages, {pdf.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
