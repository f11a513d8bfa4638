"""What an edition publishes beside its pages: slides, the PDF, the student edition, and the pages to take along.

Run as ``python -m tools.downloads``, or ``make downloads``. It writes ``_build/salkit-book/``, the built pages with the
decks in ``slides/`` and links to them where a page for teachers says ``<!-- deck -->`` or ``<!-- decks -->``; and
``_build/downloads/``, whose files are attached to the release. Pages that are only built have no such links.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path

from PIL import Image

from . import address, build, chapters, pdf, slides, student
from .browser import NoBrowserError, launched

SITE = build.OUTPUT / "salkit-book"
OUTPUT = build.OUTPUT / "downloads"
PDF, STUDENT, PAGES = "salkit-book.pdf", "salkit-student.zip", "salkit-book.zip"
FILES = {
    PDF: "the whole book as a PDF",
    STUDENT: "the student edition: notebooks without solutions, answers and outputs",
    PAGES: "all pages and slides, to be opened without a network",
}

DECK = """<a class="deck" href="../../slides/{name}.html"><img src="../../slides/{name}.webp" alt="" width="320" \
height="180" loading="lazy"><span>{title}</span></a>"""
STYLE = """<style>
.decks { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); margin: 1.5rem 0; }
.deck { display: block; max-width: 20rem; text-decoration: none; }
.deck img { border: 1px solid var(--pst-color-border); border-radius: 6px; display: block; height: auto; width: 100%; }
.deck span { display: block; margin-top: .35rem; }
@media print { .decks, .deck { display: none; } }
</style>
"""


def thumbnail(browser, deck: Path) -> Path:
    """Draw the first slide of a deck that has a picture, 640 pixels wide, in a file beside it."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(deck.as_uri())
    page.wait_for_function("Reveal.isReady() && window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise.then(() => null)")
    page.evaluate(
        "Reveal.slide(Math.max(0, [...document.querySelectorAll('.slides > section')]"
        ".findIndex((slide) => slide.querySelector('.figure'))), 0, -1)"
    )
    page.wait_for_function("[...document.images].every((image) => image.loading === 'lazy' || image.complete)")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    shot.resize((640, 360), Image.Resampling.LANCZOS).save(deck.with_suffix(".webp"), quality=80)
    return deck.with_suffix(".webp")


def link(site: Path, decks: list[Path]) -> None:
    """Put links to the decks, and to the files of the release, into the pages for teachers."""
    shown = {}
    for deck in decks:
        title = re.search(r"<title>(.*?): slides</title>", deck.read_text(encoding="utf-8"))[1]
        shown[deck.stem] = DECK.format(name=deck.stem, title=title)
        page = site / "book" / "teaching" / deck.name
        once(page, "<!-- deck -->", STYLE + shown[deck.stem].replace(title, "Slides of this chapter"))
    here = address.current()
    files = "\n".join(
        f'<li><a href="{here.repository}/releases/download/{here.tag}/{name}">{words}</a></li>'
        for name, words in FILES.items()
    )
    pictures = "\n".join(shown.values())
    gallery = f'{STYLE}<div class="decks">\n{pictures}\n</div>\n<ul>\n{files}\n</ul>'
    once(site / "book" / "teaching" / "index.html", "<!-- decks -->", gallery)


def once(page: Path, mark: str, html: str) -> None:
    """Write HTML in the place of a mark, which a page has once."""
    before, after = page.read_text(encoding="utf-8").split(mark)
    page.write_text(f"{before}{html}{after}", encoding="utf-8")


def write(
    browser, html: Path, names: list[str], printed: list[str], site: Path = SITE, output: Path = OUTPUT
) -> list[Path]:
    """Make everything anew.

    Args:
        browser: from ``tools.browser.launched``.
        html: the folder with the built pages.
        names: of the chapters that have decks, such as ``04-cam-and-gradcam``.
        printed: the pages of the PDF, as ``tools.build.pages`` names them.
        site: the folder for the pages with their decks.
        output: the folder for the files of the release.

    Returns:
        these files.
    """
    for folder in (site, output):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(html, site)
    decks = slides.write(html, names, site / "slides")
    for deck in decks:
        thumbnail(browser, deck)
    link(site, decks)
    output.mkdir(parents=True)
    pdf.write(browser, html, printed, output).rename(output / PDF)
    (output / "book.html").unlink()
    student.write(output / "salkit-student")
    for folder, name in ((site, PAGES), (output / "salkit-student", STUDENT)):
        shutil.make_archive(str(output / Path(name).stem), "zip", folder.parent, folder.name)
    shutil.rmtree(output / "salkit-student")
    return [output / name for name in FILES]


def main() -> int:
    try:
        with launched() as browser:
            names = [path.stem for path in chapters.chapters()]
            files = write(browser, build.build().parent, names, build.pages())
    except (NoBrowserError, build.BuildError, slides.SlideError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in files:
        print(f"wrote {path.relative_to(build.ROOT)}, {path.stat().st_size / 1e6:.1f} MB")
    print(f"The pages with their slides are in {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
