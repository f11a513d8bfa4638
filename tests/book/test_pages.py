"""The built pages in a real browser: nothing remote, no error, mathematics, a phone, dark mode, every link."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from tools import address, build, chapters

# Milliseconds before the browser counts as stuck: a busy machine is slow, and that is no defect of a page.
PATIENCE = 120_000
LOCAL = ("file", "data", "blob", "about")
PAGES = [*build.pages(), "index", "search", "genindex"]


@pytest.fixture(scope="session")
def html():
    """The folder with the pages, built if they are not up to date."""
    return build.build().parent


@pytest.fixture
def visit(browser, html):
    """A function that opens a page with the network off, and returns it with what it asked for and complained about."""
    contexts = []

    def visit(name, *, width=1200, dark=False):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", offline=True
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.remote, page.complaints = [], []
        page.on("request", lambda request: urlsplit(request.url).scheme in LOCAL or page.remote.append(request.url))
        page.on("requestfailed", lambda request: page.complaints.append(f"{request.url}: {request.failure}"))
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((html / f"{name}.html").as_uri(), wait_until="load")
        if name == "index":  # It only leads on to the first page; a busy machine takes a moment.
            page.wait_for_url("**/book/index.html")
        if page.locator(".math").count():
            page.wait_for_function("window.MathJax?.startup?.promise")
            page.evaluate("MathJax.startup.promise")
        return page

    yield visit
    for context in contexts:
        context.close()


def test_every_built_page_is_looked_at(html):
    built = [path.relative_to(html) for path in html.rglob("*.html") if "_static" not in path.parts]
    assert {str(path.with_suffix("")) for path in built} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_without_a_network(visit, name):
    page = visit(name)
    assert page.remote == []
    assert page.complaints == []
    assert page.locator(".math").count() == page.locator(".math mjx-container").count()
    assert page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_scrolls_sideways(visit, name):
    page = visit(name, width=360)
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1], f"{name} is {widths[0]} pixels wide on a screen of {widths[1]}"


@pytest.mark.parametrize("name", build.pages())
def test_dark_mode_leaves_the_colours_of_images_alone(visit, name):
    page = visit(name, dark=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    # An image of our own beside those of the page, where the theme would dim it.
    filters = page.evaluate(
        """() => {
            const output = document.createElement("div");
            output.className = "cell_output";
            output.innerHTML = "<div class='output'><img></div>";
            document.querySelector(".bd-article").append(output);
            return [...document.querySelectorAll(".bd-content img")].map(image => getComputedStyle(image).filter);
        }"""
    )
    assert set(filters) == {"none"}


def test_mathematics_is_drawn(visit):
    page = visit("book/notation")
    box = page.locator("mjx-container").first.bounding_box()
    assert box["width"] > 10 and box["height"] > 5


@pytest.mark.parametrize("chapter", chapters.chapters(), ids=lambda path: path.stem)
def test_a_chapter_opens_in_colab_at_the_books_version(html, chapter):
    text = (html / f"book/{chapter.stem}.html").read_text()
    assert f"{address.current().colab}/book/{chapter.stem}.ipynb" in text


@pytest.mark.parametrize("name", build.pages())
def test_every_internal_link_leads_somewhere(html, name):
    page = html / f"{name}.html"
    for link in parse(page).links:
        path, fragment = urlsplit(link).path, urlsplit(link).fragment
        if urlsplit(link).scheme or urlsplit(link).netloc:
            continue
        target = (page.parent / unquote(path)).resolve() if path else page
        assert target.is_file(), f"{name} links to {link}, and there is no such file"
        if fragment and target.suffix == ".html":
            assert unquote(fragment) in parse(target).ids, f"{name} links to {link}, and there is no such place"


@pytest.mark.parametrize("name", build.pages())
def test_every_image_says_what_it_shows(html, name):
    for alt in parse(html / f"{name}.html").alts:
        assert alt and not re.fullmatch(r"\S+\.(png|jpe?g|svg)|[0-9a-f_./-]{16,}", alt), f"{name}: alt text {alt!r}"


class Page(HTMLParser):
    """A page's ids, the addresses it refers to, and its images' alt texts."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.alts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        # Buttons of the theme are addressed by "#"; the top of the page is always there.
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key) not in (None, "#")]
        # The course's mark is decoration: its name stands beside it.
        if tag == "img" and "logo__image" not in attributes.get("class", ""):
            self.alts.append(attributes.get("alt"))


def parse(path):
    return Page(path.read_text())
