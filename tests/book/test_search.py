"""Search in a real browser, from a folder: what people look for, and the page that must come first."""

import re

import pytest

from tools import build

# The query, and the page that the first hit leads to. Add to it whatever a reader looked for in vain.
SEARCHES = {
    "Grad-CAM": "book/04-cam-and-gradcam",
    "SmoothGrad": "book/03-sharper-gradients",
    "occlusion": "book/05-occlusion",
    "Adebayo": "book/09-sanity-weights",
    "SHAP": "book/not-in-here",
    "LIME": "book/not-in-here",
    "attention": "book/not-in-here",
    "time series": "book/13-time-series",
    "saturation": "book/glossary",
    "integrated_gradients": "book/api/attribution",
    # Written by somebody who did not make the ranking.
    "deconvolution": "book/03-sharper-gradients",
    "adversarial": "book/07-fgsm",
    "pointing game": "book/10-ground-truth",
    "deletion insertion": "book/10-ground-truth",
    "permuted labels": "book/08-sanity-labels",
    "TargetError": "book/api/errors",
    "Colab": "book/how-to-run",
    "syllabus": "book/teaching/syllabus",
    "transformer": "book/not-in-here",
    "own photo": "book/12-your-own-photo",
}
HITS = """() => [...document.querySelectorAll("#search-results ul.search li > a")].map((link) => link.href)"""


@pytest.fixture(scope="module")
def hits(browser, html):
    """A function that gives the pages which a query finds, best first, as a browser without a network shows them."""
    page = browser.new_context(offline=True).new_page()
    address = (html / "search.html").as_uri()

    def hits(query):
        page.goto(f"{address}?q={query}")
        page.wait_for_function("Search.status?.innerText.match(/found|did not/)")
        root = html.as_uri() + "/"
        return [link.removeprefix(root).partition(".html")[0] for link in page.evaluate(HITS)]

    yield hits
    page.context.close()


@pytest.mark.parametrize("query", SEARCHES)
def test_the_best_page_comes_first(hits, query):
    found = hits(query)
    assert found[:1] == [SEARCHES[query]], found[:5]


def test_a_word_is_not_found_as_a_part_of_another_one(hits, html):
    found = hits("SHAP")
    assert len(found) < 6, "shape has SHAP in it"
    for name in found:
        assert re.search(r"\bSHAP\b", (html / f"{name}.html").read_text(encoding="utf-8")), name


def test_what_nobody_wrote_is_not_found(hits):
    assert hits("xylophone") == []


def test_every_page_of_the_list_is_in_the_book():
    assert set(SEARCHES.values()) <= set(build.pages())


def test_the_magnifier_stands_before_the_words(browser, html):
    page = browser.new_context(offline=True).new_page()
    page.goto((html / "search.html").as_uri())
    for form in page.locator("form.bd-search:visible").all():
        icon, field = form.locator("i, svg").first.bounding_box(), form.locator("input").bounding_box()
        assert icon["x"] + icon["width"] <= field["x"] + 1
    page.context.close()
