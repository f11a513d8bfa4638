"""The whole book as one PDF: the built pages in reading order, joined into one page, which Chromium prints.

Run as ``python -m tools.pdf``, or ``make pdf``; it writes ``_build/pdf/book.pdf``. How the pages look on paper is said
in ``book/_static/print.css``, and holds as well for a reader who prints a single one.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader

from . import address, build
from .browser import NoBrowserError, launched

OUTPUT = build.OUTPUT / "pdf"
# Milliseconds before the browser counts as stuck: it draws some thousand formulas.
PATIENCE = 600_000

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


def read(path: Path) -> BeautifulSoup:
    """A built page; each attribute is a string, also those that HTML takes for lists."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", multi_valued_attributes=None)


def relocate(tag: Tag, name: str, html: Path, names: list[str]) -> None:
    """Change a tag of the page ``name`` into what it must be in the joined page.

    Its ids get the page's name in front. Links to pages and places of the book stay within the PDF, other links of
    the site lead to its public address, and a figure is no longer a link to its file.
    """
    for kind in {"id", "for", "aria-labelledby", "aria-describedby"} & tag.attrs.keys():
        tag[kind] = " ".join(f"{key(name)}--{word}" for word in tag[kind].split())
    if tag.name == "details":  # of several choices with one name only one can be open
        del tag["name"]
    here = (html / f"{name}.html").as_uri()
    if "src" in tag.attrs:
        tag["src"] = urljoin(here, tag["src"])
    link = urlsplit(tag.get("href", "//elsewhere"))
    if link.scheme or link.netloc:
        return
    path = unquote(urlsplit(urljoin(here, tag["href"])).path).removeprefix(f"{html.as_posix()}/")
    target = path.removesuffix(".html")
    if path.startswith("_images/"):
        del tag["href"]
    elif target in names:
        tag["href"] = f"#{key(target)}" + (f"--{link.fragment}" if link.fragment else "")
    else:
        tag["href"] = address.current().pages + path + (f"#{link.fragment}" if link.fragment else "")


def article(name: str, html: Path, names: list[str]) -> tuple[str, str]:
    """A page's title and its text, both HTML, ready to be joined with others."""
    found = read(html / f"{name}.html").find("article", class_="bd-article")
    title = found.h1.get_text().removesuffix(found.h1.find(class_="headerlink").get_text())
    for tag in found.find_all(True):
        relocate(tag, name, html, names)
    found["id"] = key(name)
    return escape(title), found.decode(formatter="html5")


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
    first = html / f"{names[0]}.html"
    styles = [urljoin(first.as_uri(), link["href"]) for link in read(first).head.find_all("link", rel="stylesheet")]
    return PAGE.format(
        title=escape(config["title"]),
        author=escape(config["author"]),
        version=address.current().version,
        site=address.current().pages,
        styles="\n".join(f'<link rel="stylesheet" href="{style}">' for style in styles),
        front_style=FRONT_STYLE,
        mathjax=(html / "_static/mathjax/tex-chtml.js").as_uri(),
        contents="\n".join(contents),
        articles="\n".join(text for _, text in articles.values()),
    )


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
