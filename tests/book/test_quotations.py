"""Quotations are literal: each on the chapters' pages is in quotations.yml, and each of these in its source."""

import os
import re
from pathlib import Path

import pytest
import yaml

from tools import build, chapters

LISTED = yaml.safe_load((build.ROOT / "tests/book/quotations.yml").read_text())
TEXTS = {  # how the file with the text begins
    "wu2022saliency": "wu",
    "shin2021exploring": "shin",
    "haenel2021sanity": "haenel",
    "paul2024explainability": "deep-learners",
    "midha2021visual": "midha",
}


def words(text):
    """Words alone: marks, typographic quotes and line ends differ between a page and a text."""
    return " ".join(re.findall(r"[\w%]+", text.lower()))


def test_the_list_holds_what_the_chapters_quote():
    pages = "\n".join(source.read_text() for source in chapters.chapters())
    assert set(re.findall(r'\*"([^"]+)"\*', pages)) == {quotation for listed in LISTED.values() for quotation in listed}
    assert set(LISTED) == {*TEXTS, "nobody"}


@pytest.mark.skipif("SALKIT_SOURCES" not in os.environ, reason="SALKIT_SOURCES names no folder with the five texts")
@pytest.mark.parametrize("source", TEXTS)
def test_each_quotation_is_in_its_source(source):
    (path,) = Path(os.environ["SALKIT_SOURCES"]).glob(f"{TEXTS[source]}*.txt")
    text = words(path.read_text())
    assert [q for q in LISTED[source] if not all(words(part) in text for part in q.split("[...]"))] == []
