"""The mark, the tab's icon and the card that a shared link shows: plain files, which the book uses."""

import xml.etree.ElementTree as ET

import numpy as np
import yaml
from PIL import Image

from tools import chapters

CONFIG = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())
STATIC = chapters.BOOK / "_static"
ON_THE_CARD = "What does the network look at?"


def test_the_card_has_the_size_that_sites_ask_for_and_shows_a_map():
    with Image.open(STATIC / "card.jpg") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (630, 1200, 3)
    ground = np.abs(pixels - pixels[2, 2]).max(-1) < 24
    rim = np.ones_like(ground)
    rim[25:-25, 25:-25] = False
    assert ground[rim].all(), "something is cut off"
    assert 0.3 < (~ground).mean() < 0.8, "there is a picture"
    assert (STATIC / "card.jpg").stat().st_size < 160_000


def test_the_book_uses_them():
    assert CONFIG["logo"] == "book/_static/logo.svg"
    assert ET.parse(STATIC / "logo.svg").getroot().get("aria-label") == "A heat-map with one bright spot"
    assert CONFIG["html"]["favicon"] == "book/_static/favicon.png"
    with Image.open(STATIC / "favicon.png") as icon:
        assert icon.width == icon.height
    config = CONFIG["sphinx"]["config"]
    assert config["ogp_image"] == "_static/card.jpg" and config["html_static_path"] == ["book/_static"]
    assert config["ogp_site_url"] == CONFIG["html"]["baseurl"], "run make address"
    assert CONFIG["title"] == config["ogp_site_name"] == ON_THE_CARD, "card.jpg shows the old title: draw another"
