"""The cheat sheet's poster: every method, small pictures that are what the tool draws, on one sheet of paper."""

import io
import re

import numpy as np
import pytest
from built_pages import read
from PIL import Image
from pypdf import PdfReader

from salkit import METHODS
from tools import chapters, poster

FOLDER = chapters.ROOT / poster.FOLDER


def picture(name):
    with Image.open(FOLDER / f"{name}.webp") as image:
        return np.asarray(image.convert("RGB")).astype(float) / 255


def test_every_method_has_a_tile_with_its_cost_and_blind_spot():
    tiles = poster.tiles()
    assert [tile.name for tile in tiles] == list(METHODS)
    assert all(tile.cost and 0 < len(tile.blind) < 60 for tile in tiles)
    assert poster.ALTS.keys() == {poster.PHOTO, *METHODS}
    assert {path.stem for path in FOLDER.iterdir()} == poster.ALTS.keys()


def test_the_pictures_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 250_000
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)
    assert len(poster.webp(Image.fromarray(noise), most=30_000)) <= 30_000


def test_a_tile_is_what_the_method_gives(monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    names = ("gradient", "hirescam", "edge_map")
    monkeypatch.setattr(poster, "methods", lambda: {name: METHODS[name] for name in names})
    found = poster.drawn()
    assert found.keys() == {poster.PHOTO, *names}
    # The pictures are stored with loss: blocks of 4 by 4 pixels are compared.
    blocks = {name: values.reshape(56, 4, 56, 4, 3).mean((1, 3)).ravel() for name, values in found.items()}
    stored = {name: picture(name).reshape(56, 4, 56, 4, 3).mean((1, 3)).ravel() for name in METHODS | found}
    for name, now in blocks.items():
        like = {other: np.corrcoef(now, values)[0, 1] for other, values in stored.items()}
        assert like[name] > 0.97, f"{name}: run python -m tools.poster"
        assert like["deconvnet"] < 0.8 and like["random_map"] < 0.5


def test_the_page_shows_them_with_their_words(html):
    page = read(html / "book/cheat-sheet.html")
    assert set(poster.ALTS.values()) <= {alt for alt, _ in page.alts}


def test_the_poster_fills_one_sheet(browser, html):
    page = browser.new_page()
    page.goto((html / "book/cheat-sheet.html").as_uri())
    reader = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    first, second = (re.sub(r"\s", "", reader.pages[at].extract_text()) for at in (0, 1))
    assert all(name in first for name in METHODS) and "Inwords" in second
    # On the first sheet there is nothing but the poster, and it takes most of it.
    assert "Inwords" not in first and len(reader.pages[0].images) == len(METHODS) + 1
    width, height = (float(side) for side in reader.pages[0].mediabox[2:])
    assert abs(width - 595) < 2 and abs(height - 842) < 2, "A4"
    page.close()
