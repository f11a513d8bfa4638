"""The PDF of the book: what is joined, what is printed, and what is said where there is no browser."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from tools import address, build, pdf

QUIZ = next(name for name in build.pages() if "/quiz-" in name)
NAMES = ["book/index", "book/notation", QUIZ]
SITE = address.current().pages


@pytest.fixture(scope="module")
def printed(browser, html, tmp_path_factory):
    return PdfReader(pdf.write(browser, html, NAMES, tmp_path_factory.mktemp("pdf")))


@pytest.fixture(scope="module")
def text(printed):
    return [" ".join(page.extract_text().split()) for page in printed.pages]


def links(reader):
    """``(places, addresses)`` that the PDF's links lead to."""
    places, addresses = [], []
    for page in reader.pages:
        for note in page.get("/Annots", []):
            action = note.get_object().get("/A", {})
            addresses += [action["/URI"]] if "/URI" in action else []
            places += [note.get_object().get("/Dest") or action.get("/D")] if "/URI" not in action else []
    return places, addresses


def title_of(name):
    return re.search(r"^# (.*)$", (build.ROOT / f"{name}.md").read_text(), re.M)[1]


def test_it_is_on_a4_and_has_a_title(printed):
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in printed.pages} == {(595, 842)}
    assert "network look at" in printed.metadata.title


def test_the_contents_give_the_page_of_everything(printed, text):
    numbers = pdf.page_numbers(printed)
    for name in NAMES:
        number, title = numbers[pdf.key(name)], title_of(name)
        assert re.search(rf"{re.escape(title)} {number}\b", text[1]), text[1]
        assert text[number - 1].startswith(title)


def test_bookmarks_lead_to_pages_and_sections(printed):
    def flat(entries):
        for entry in entries:
            yield from flat(entry) if isinstance(entry, list) else [entry.title]

    titles = list(flat(printed.outline))
    assert {title_of(name) for name in NAMES} <= set(titles)
    assert len(titles) > 10


def test_links_stay_in_the_book_or_lead_to_its_site(printed):
    places, addresses = links(printed)
    assert places.count("/notation") > 1, "from the contents, and from the first page"
    assert set(places) <= {f"/{place}" for place in pdf.page_numbers(printed)}
    assert addresses and all(re.match("https?://", found) for found in addresses)
    assert any(found.startswith(f"{SITE}book/glossary.html#term-") for found in addresses)


def test_what_unfolds_is_printed_and_what_is_pressed_is_not(printed, text):
    whole = " ".join(text)
    answers = (build.ROOT / f"{QUIZ}.md").read_text().count("**Right.**")
    assert whole.count("Right.") == answers > 0
    assert "Skip to main content" not in whole and "Search" not in whole and "Copyright" not in whole


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('<a href="#the-formula">', '<a href="#01-a--the-formula">'),
        ('<a href="02-b.html#x">', '<a href="#02-b--x">'),
        ('<a class="n" href="02-b.html">', '<a class="n" href="#02-b">'),
        ('<a href="other.html#x">', f'<a href="{SITE}book/other.html#x">'),
        ('<a href="https://example.org/#x">', '<a href="https://example.org/#x">'),
        ('<section id="the-formula">', '<section id="01-a--the-formula">'),
        ('<img src="../_images/x.webp" alt="id">', '<img src="file:///site/_images/x.webp" alt="id">'),
        ('<img src="data:image/png;base64,AA">', '<img src="data:image/png;base64,AA">'),
        ('<a class="enlarge" href="../_images/x.webp">', '<a class="enlarge">'),
        ('<details class="choice" name="question-1">', '<details class="choice">'),
        ('<input name="q">', '<input name="q">'),
    ],
)
def test_a_tag_in_the_joined_page(tag, expected):
    found, right = (BeautifulSoup(text, "html.parser", multi_valued_attributes=None).find() for text in (tag, expected))
    pdf.relocate(found, "book/01-a", Path("/site"), ["book/01-a", "book/02-b"])
    assert found == right


def test_without_a_browser_it_says_what_to_install(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tools.pdf"], cwd=build.ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "apt-get install chromium" in done.stderr and "Traceback" not in done.stderr


def test_pages_of_one_name_in_two_folders_have_two_places():
    assert pdf.key("book/01-a") == "01-a" and pdf.key("book/teaching/01-a") == "teaching-01-a"
