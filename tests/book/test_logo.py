"""The mark, the tab's icon and the card are what the tool draws, and the book uses them."""

import io

import numpy as np
import pytest
import yaml
from PIL import Image

from tools import chapters, logo

CONFIG = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())


def coarse(file):
    """In 40 x 40 pixels: letters drawn by another matplotlib vanish, another picture does not."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGBA").resize((40, 40), Image.Resampling.BOX), np.float32) / 255


def stored(name):
    return (logo.FOLDER / name).read_bytes()


def test_the_logo_is_what_the_tool_draws():
    assert stored("logo.svg") == logo.logo(), "out of date: run python -m tools.logo"


@pytest.mark.parametrize("name", ["favicon.png", "card.png"])
def test_a_picture_is_what_the_tool_draws(name):
    assert np.abs(coarse(stored(name)) - coarse(logo.PICTURES[name]())).mean() < 0.02


def test_another_mark_would_be_seen(monkeypatch):
    monkeypatch.setattr(logo, "ICON", logo.rings((0.5, 0.9)))
    assert np.abs(coarse(stored("favicon.png")) - coarse(logo.favicon())).mean() > 0.02


def test_rings_lie_within_each_other_and_within_the_mark():
    heights = [{round(logo.heat(*point) / logo.heat(*logo.CENTRE), 6) for point in outline} for _, outline in logo.LOGO]
    assert heights == [{0.16}, {0.32}, {0.52}, {0.74}, {0.93}]
    for _, outline in logo.LOGO + logo.ICON:
        assert all(2 < value < logo.SIZE - 2 for point in outline for value in point)


def test_the_card_has_the_size_that_sites_ask_for_and_nothing_is_cut_off():
    with Image.open(logo.FOLDER / "card.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (630, 1200, 3)
    assert (pixels[:, -30:] > 250).all() and (pixels[:30] > 250).all() and (pixels[-30:] > 250).all()
    assert len(stored("card.png")) < 60_000


def test_the_book_uses_them():
    assert CONFIG["logo"] == "book/_static/logo.svg"
    assert CONFIG["html"]["favicon"] == "book/_static/favicon.png"
    config = CONFIG["sphinx"]["config"]
    assert config["ogp_image"] == "_static/card.png" and config["html_static_path"] == ["book/_static"]
    assert config["ogp_site_url"] == CONFIG["html"]["baseurl"], "run make address"
    assert " ".join(logo.TITLE) == CONFIG["title"] == config["ogp_site_name"]
