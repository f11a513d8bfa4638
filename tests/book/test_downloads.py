"""What is published beside the pages: no link without its file, a picture for each deck, and files that open."""

import zipfile

import pytest
import yaml
from built_pages import dead_links, read
from PIL import Image
from pypdf import PdfReader

from tools import address, build, chapters, downloads

DECKS = ["04-cam-and-gradcam", "12-your-own-photo"]
PRINTED = ["book/index", "book/notation"]
TEACHING = "book/teaching/index"


@pytest.fixture(scope="module")
def made(browser, html, tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    downloads.write(browser, html, DECKS, PRINTED, folder / "salkit-book", folder / "files")
    return folder


def test_teaching_leads_to_every_deck_and_no_link_is_dead(made):
    site = made / "salkit-book"
    for name in (TEACHING, *(f"book/teaching/{deck}" for deck in DECKS)):
        assert dead_links(site, name) == []
    links = read(site / f"{TEACHING}.html").links
    assert [link for link in links if link.startswith("../../slides/") and link.endswith("html")] == [
        f"../../slides/{deck}.html" for deck in DECKS
    ]
    for deck in DECKS:
        assert f"../../slides/{deck}.html" in read(site / f"book/teaching/{deck}.html").links


def test_a_deck_beside_the_pages_is_whole(made):
    for deck in DECKS:
        assert dead_links(made / "salkit-book", f"slides/{deck}") == []


def test_a_thumbnail_shows_the_first_picture(made):
    for deck in DECKS:
        with Image.open(made / f"salkit-book/slides/{deck}.webp") as image:
            assert image.size == (640, 360)
            colours = len(image.convert("RGB").resize((64, 36)).getcolors(64 * 36))
        assert colours > 100, "words alone have fewer"


def test_the_gallery_fits_a_phone(browser, made):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((made / f"salkit-book/{TEACHING}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    widths = page.locator(".decks .deck img").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert len(widths) == len(DECKS) and all(width >= 120 for width in widths)
    page.close()


def test_pages_that_are_only_built_promise_nothing(html):
    for path in (html / "book/teaching").glob("*.html"):
        page = read(path)
        assert not [link for link in page.links if "/slides/" in link or "salkit-book." in link], path.name


def test_every_page_for_teachers_has_the_place_of_its_deck(html):
    for path in chapters.chapters():
        assert (html / f"book/teaching/{path.stem}.html").read_text().count("<!-- deck -->") == 1
    assert (html / f"{TEACHING}.html").read_text().count("<!-- decks -->") == 1


def test_the_files_open(made):
    assert {path.name for path in (made / "files").iterdir()} == {*downloads.FILES}
    assert len(PdfReader(made / "files" / downloads.PDF).pages) > 3
    with zipfile.ZipFile(made / "files" / downloads.STUDENT) as file:
        names = file.namelist()
    assert {f"salkit-student/{path.stem}.ipynb" for path in chapters.chapters()} <= {*names}
    with zipfile.ZipFile(made / "files" / downloads.PAGES) as file:
        names = {*file.namelist()}
    assert {f"salkit-book/{name}.html" for name in build.pages()} | {"salkit-book/index.html"} <= names
    assert {f"salkit-book/slides/{deck}.html" for deck in DECKS} <= names


def test_a_release_has_the_files_that_the_page_links_to(made):
    steps = yaml.safe_load((build.ROOT / ".github/workflows/pages.yml").read_text())["jobs"]["release"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    site, files = (path.relative_to(build.ROOT) for path in (downloads.SITE, downloads.OUTPUT))
    assert commands.index("make downloads") < commands.index(f"-C {site} .") < commands.index(f"cp {files}/* dist")
    assert commands.index("gh release create") < commands.index("dist/* ")
    released = f"{address.current().repository}/releases/download/{address.current().tag}"
    links = read(made / f"salkit-book/{TEACHING}.html").links
    assert {f"{released}/{name}" for name in downloads.FILES} <= {*links}
